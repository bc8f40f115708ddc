//! Writing a file so that a crash leaves the old content or the new one, never a part.

use crate::error::{Error, Result};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

static COUNTER: AtomicU64 = AtomicU64::new(0);

/// Removes the temporary file unless the rename has taken it away.
struct Temporary {
    path: PathBuf,
    keep: bool,
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.keep {
            // The write has already failed with a better error than this one.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Writes a file: to a temporary name beside it, synced to the disk, then renamed over `path`.
///
/// ```
/// # let folder = std::env::temp_dir().join(format!("n2d2-atomic-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder).unwrap();
/// # let path = folder.join("weights.txt");
/// n2d2_core::io::write_atomic(&path, |w| w.write_all(b"0.25 0.5\n"))?;
/// assert_eq!(std::fs::read(&path).unwrap(), b"0.25 0.5\n");
/// # std::fs::remove_dir_all(&folder).unwrap();
/// # Ok::<(), n2d2_core::Error>(())
/// ```
///
/// # Errors
/// [`Error::File`] if the folder does not exist or a step fails; the old file is then untouched.
pub fn write_atomic(path: impl AsRef<Path>, content: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<()> {
    let path = path.as_ref();
    let at = |e: &io::Error| Error::io(path, e);
    let name = path.file_name().ok_or_else(|| Error::file(path, "is not the name of a file"))?;
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    hidden.push(format!(".{}-{}.tmp", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed)));

    let mut temporary = Temporary { path: folder.join(hidden), keep: false };
    let file = OpenOptions::new().write(true).create_new(true).open(&temporary.path).map_err(|e| at(&e))?;
    let mut writer = BufWriter::new(file);
    content(&mut writer).map_err(|e| at(&e))?;
    let file = writer.into_inner().map_err(|e| at(e.error()))?;
    file.sync_all().map_err(|e| at(&e))?;
    fs::rename(&temporary.path, path).map_err(|e| at(&e))?;
    temporary.keep = true;
    // The rename itself lies in the folder; some file systems cannot sync folders, and the file is complete either way.
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let p = std::env::temp_dir().join(format!("n2d2-io-{name}-{}", std::process::id()));
        fs::create_dir_all(&p).unwrap();
        p
    }

    #[test]
    fn a_failed_write_keeps_the_old_content_and_leaves_nothing_behind() {
        let folder = folder("failed");
        let path = folder.join("a.txt");
        write_atomic(&path, |w| w.write_all(b"old")).unwrap();
        let e = write_atomic(&path, |w| {
            w.write_all(b"ne")?;
            Err(io::Error::other("disk full"))
        })
        .unwrap_err();
        assert_eq!(e.to_string(), format!("{}: disk full", path.display()));
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
        write_atomic(&path, |w| w.write_all(b"new")).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_missing_folder_is_reported_with_the_name_of_the_file() {
        let path = std::env::temp_dir().join("n2d2-no-such-folder").join("a.txt");
        let e = write_atomic(&path, |_| Ok(())).unwrap_err();
        assert!(matches!(&e, Error::File { missing: true, .. }), "{e:?}");
        assert_eq!(e.to_string(), format!("{}: no such file", path.display()));
        assert_eq!(write_atomic("/", |_| Ok(())).unwrap_err().to_string(), "/: is not the name of a file");
    }
}
