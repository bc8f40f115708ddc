//! Reader of IDX files, the format of MNIST: plain or compressed by gzip.
//!
//! | bytes | content |
//! |---|---|
//! | 0, 1 | zero |
//! | 2 | type of the values: 0x08 = unsigned byte, the only one read here |
//! | 3 | number of dimensions: 3 for images `[count, rows, columns]`, 1 for labels `[count]` |
//! | 4 .. 4 + 4 * dimensions | sizes, 32 bits each, most significant byte first |
//! | then | the values, last dimension fastest |
//!
//! Every size is checked against the length of the file before memory is taken for it. Positions in errors count the
//! bytes of the decompressed content.
//!
//! Source: Y. Le Cun, C. Cortes, C. Burges, "The MNIST database of handwritten digits", 1998.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use crate::error::{Error, Result};
use flate2::bufread::MultiGzDecoder;
use std::fs::File;
use std::io::{BufReader, ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// Values of one file at most, in bytes: 16 times the largest IDX files in use.
pub const MAX_BYTES: u64 = 1 << 32;
/// Deflate writes at most 258 bytes for 2 bits of input.
const MAX_DEFLATE_RATIO: u64 = 1032;
const UNSIGNED_BYTE: u8 = 0x08;

/// An IDX file in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idx {
    /// Sizes, outermost first; none is 0.
    pub dims: Vec<usize>,
    /// The values, last dimension fastest.
    pub values: Vec<u8>,
}

/// Images and labels that belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Labelled {
    /// Number of images.
    pub count: usize,
    /// Height of an image in pixels.
    pub rows: usize,
    /// Width of an image in pixels.
    pub columns: usize,
    /// `count * rows * columns` pixels.
    pub pixels: Vec<u8>,
    /// One label an image.
    pub labels: Vec<i32>,
}

/// The file `name` or `name.gz` in a folder; the plain one if both are there.
///
/// # Errors
/// [`Error::File`] that says what the folder lacks.
pub fn find(folder: &Path, name: &str) -> Result<PathBuf> {
    let plain = folder.join(name);
    if plain.is_file() {
        return Ok(plain);
    }
    let compressed = folder.join(format!("{name}.gz"));
    if compressed.is_file() {
        return Ok(compressed);
    }
    let what = if folder.is_dir() { "no such file, plain or with .gz" } else { "the folder does not exist" };
    Err(Error::File { path: plain, what: what.into(), missing: true })
}

/// Reads images and their labels, all below `classes`.
///
/// # Errors
/// [`Error::File`] with file and byte for anything that is not as it should be.
pub fn read_labelled(images: &Path, labels: &Path, classes: usize) -> Result<Labelled> {
    let image_file = read(images, 3)?;
    let label_file = read(labels, 1)?;
    let (&[count, rows, columns], &[label_count]) = (image_file.dims.as_slice(), label_file.dims.as_slice()) else {
        return Err(Error::file(images, "the header has another number of dimensions than asked for"));
    };
    if count != label_count {
        return Err(Error::file(labels, format!("{label_count} labels for the {count} images of {}", images.display())));
    }
    if let Some(i) = label_file.values.iter().position(|l| usize::from(*l) >= classes) {
        let label = label_file.values.get(i).copied().unwrap_or_default();
        let what = format!("byte {}: label {label} of stimulus {i} is out of range, expected 0 to {}", 8 + i, classes.saturating_sub(1));
        return Err(Error::file(labels, what));
    }
    let labels = label_file.values.iter().map(|l| i32::from(*l)).collect();
    Ok(Labelled { count, rows, columns, pixels: image_file.values, labels })
}

/// Reads a file of unsigned bytes with `dims` dimensions, plain or compressed by gzip, whatever its name.
///
/// # Errors
/// [`Error::File`] if it is missing, not IDX, of another type or number of dimensions, truncated, too long or too large.
pub fn read(path: &Path, dims: usize) -> Result<Idx> {
    let at = |e: &std::io::Error| Error::io(path, e);
    let mut file = File::open(path).map_err(|e| at(&e))?;
    let bytes = file.metadata().map_err(|e| at(&e))?.len();
    let mut start = Vec::with_capacity(2);
    file.by_ref().take(2).read_to_end(&mut start).map_err(|e| at(&e))?;
    file.seek(SeekFrom::Start(0)).map_err(|e| at(&e))?;
    if start == [0x1f, 0x8b] {
        let at_most = bytes.saturating_mul(MAX_DEFLATE_RATIO);
        parse(path, MultiGzDecoder::new(BufReader::new(file)), dims, at_most)
    } else {
        parse(path, file, dims, bytes)
    }
}

/// Reads IDX content that cannot be longer than `at_most` bytes; `path` is the name used in errors.
///
/// # Errors
/// As [`read`].
pub fn parse(path: &Path, reader: impl Read, dims: usize, at_most: u64) -> Result<Idx> {
    let mut source = Source { path, reader, position: 0 };
    let [zero_0, zero_1, kind, nb_dims] = source.array("the header")?;
    if (zero_0, zero_1) != (0, 0) {
        return Err(source.error(0, format!("not an IDX file: starts with {zero_0:#04x} {zero_1:#04x}, expected 0x00 0x00")));
    }
    if kind != UNSIGNED_BYTE {
        let name = match kind {
            0x09 => "signed byte",
            0x0B => "16-bit integer",
            0x0C => "32-bit integer",
            0x0D => "32-bit float",
            0x0E => "64-bit float",
            _ => return Err(source.error(2, format!("not an IDX file: unknown type {kind:#04x}"))),
        };
        return Err(source.error(2, format!("type {kind:#04x} ({name}) is not read here, expected 0x08 (unsigned byte)")));
    }
    if usize::from(nb_dims) != dims {
        let hint = if matches!((nb_dims, dims), (1, 3) | (3, 1)) { "; are images and labels exchanged?" } else { "" };
        return Err(source.error(3, format!("{nb_dims} dimensions, expected {dims}{hint}")));
    }

    let mut sizes = Vec::with_capacity(dims);
    let mut bytes = 1u64;
    for i in 0..dims {
        let position = source.position;
        let size = u32::from_be_bytes(source.array("the header")?);
        if size == 0 {
            return Err(source.error(position, format!("dimension {i} is 0")));
        }
        // Saturating: a product beyond u64 is refused as too large just below.
        bytes = bytes.saturating_mul(u64::from(size));
        sizes.push(size as usize);
    }
    let end = source.position.saturating_add(bytes);
    if bytes > MAX_BYTES {
        return Err(source.error(4, format!("sizes {sizes:?} declare {bytes} bytes, more than the {MAX_BYTES} that are read")));
    }
    if end > at_most {
        return Err(source.error(4, format!("truncated: sizes {sizes:?} need {end} bytes, the file holds at most {at_most}")));
    }

    let mut values = Vec::new();
    if values.try_reserve_exact(bytes as usize).is_err() {
        return Err(source.error(4, format!("sizes {sizes:?} need {bytes} bytes of memory, which are not available")));
    }
    source.fill(&mut values, bytes, "the values")?;
    let mut rest = Vec::new();
    source.fill_some(&mut rest, 1)?;
    if !rest.is_empty() {
        return Err(source.error(end, format!("trailing bytes: sizes {sizes:?} end here, the file goes on")));
    }
    Ok(Idx { dims: sizes, values })
}

/// A reader that knows where it is.
struct Source<'a, R> {
    path: &'a Path,
    reader: R,
    position: u64,
}

impl<R: Read> Source<'_, R> {
    fn error(&self, position: u64, what: impl std::fmt::Display) -> Error {
        Error::file(self.path, format!("byte {position}: {what}"))
    }

    /// Appends up to `count` bytes; fewer only at the end of the file.
    fn fill_some(&mut self, to: &mut Vec<u8>, count: u64) -> Result<u64> {
        let before = to.len();
        let result = self.reader.by_ref().take(count).read_to_end(to);
        let got = (to.len() - before) as u64;
        self.position += got;
        match result {
            Ok(_) => Ok(got),
            // A gzip stream that stops in the middle.
            Err(e) if e.kind() == ErrorKind::UnexpectedEof => Ok(got),
            Err(e) => Err(self.error(self.position, format!("cannot be read: {e}"))),
        }
    }

    fn fill(&mut self, to: &mut Vec<u8>, count: u64, part: &str) -> Result<()> {
        let end = self.position + count;
        let got = self.fill_some(to, count)?;
        if got < count {
            return Err(self.error(self.position, format!("truncated: the file ends here, {part} up to byte {end} are missing")));
        }
        Ok(())
    }

    fn array<const N: usize>(&mut self, part: &str) -> Result<[u8; N]> {
        let mut bytes = Vec::with_capacity(N);
        self.fill(&mut bytes, N as u64, part)?;
        <[u8; N]>::try_from(bytes).map_err(|_| self.error(self.position, "truncated"))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use flate2::{Compression, write::GzEncoder};
    use proptest::prelude::*;
    use std::io::Write;

    fn idx(kind: u8, dims: &[u32], values: &[u8]) -> Vec<u8> {
        let mut f = vec![0, 0, kind, dims.len() as u8];
        f.extend(dims.iter().flat_map(|d| d.to_be_bytes()));
        f.extend(values);
        f
    }

    fn gz(bytes: &[u8]) -> Vec<u8> {
        let mut e = GzEncoder::new(Vec::new(), Compression::default());
        e.write_all(bytes).unwrap();
        e.finish().unwrap()
    }

    /// Runs `f` with the path of a file of this content.
    fn with_file<R>(bytes: &[u8], f: impl FnOnce(&Path) -> R) -> R {
        use std::sync::atomic::{AtomicUsize, Ordering};
        static N: AtomicUsize = AtomicUsize::new(0);
        let path = std::env::temp_dir().join(format!("n2d2-idx-{}-{}", std::process::id(), N.fetch_add(1, Ordering::Relaxed)));
        std::fs::write(&path, bytes).unwrap();
        let r = f(&path);
        std::fs::remove_file(path).unwrap();
        r
    }

    /// The error text after the path.
    fn refusal(bytes: &[u8], dims: usize) -> String {
        with_file(bytes, |p| {
            let text = read(p, dims).unwrap_err().to_string();
            text.strip_prefix(&format!("{}: ", p.display())).unwrap().to_string()
        })
    }

    #[test]
    fn plain_and_compressed_files_read_alike() {
        let f = idx(8, &[2, 1, 3], &[1, 2, 3, 4, 5, 6]);
        let expected = Idx { dims: vec![2, 1, 3], values: vec![1, 2, 3, 4, 5, 6] };
        assert_eq!(with_file(&f, |p| read(p, 3)), Ok(expected.clone()));
        assert_eq!(with_file(&gz(&f), |p| read(p, 3)), Ok(expected));
    }

    #[test]
    fn every_malformation_has_its_text() {
        let good = idx(8, &[2, 1, 3], &[1, 2, 3, 4, 5, 6]);
        let cases: &[(&[u8], &str)] = &[
            (b"", "byte 0: truncated: the file ends here, the header up to byte 4 are missing"),
            (b"PK\x03\x04....", "byte 0: not an IDX file: starts with 0x50 0x4b, expected 0x00 0x00"),
            (&idx(0x77, &[1, 1, 1], &[0]), "byte 2: not an IDX file: unknown type 0x77"),
            (&idx(0x0D, &[1, 1, 1], &[0; 4]), "byte 2: type 0x0d (32-bit float) is not read here, expected 0x08 (unsigned byte)"),
            (&idx(8, &[6], &[0; 6]), "byte 3: 1 dimensions, expected 3; are images and labels exchanged?"),
            (&idx(8, &[6, 1], &[0; 6]), "byte 3: 2 dimensions, expected 3"),
            (&good[..9], "byte 9: truncated: the file ends here, the header up to byte 12 are missing"),
            (&idx(8, &[2, 0, 3], &[]), "byte 8: dimension 1 is 0"),
            (&good[..20], "byte 4: truncated: sizes [2, 1, 3] need 22 bytes, the file holds at most 20"),
            (&[&good[..], &[0; 5]].concat(), "byte 22: trailing bytes: sizes [2, 1, 3] end here, the file goes on"),
            (
                &idx(8, &[u32::MAX; 3], &[]),
                "byte 4: sizes [4294967295, 4294967295, 4294967295] declare 18446744073709551615 bytes, more than the 4294967296 that are read",
            ),
        ];
        for (bytes, text) in cases {
            assert_eq!(refusal(bytes, 3), *text);
        }
    }

    #[test]
    fn damaged_gzip_is_refused_with_the_byte() {
        let f = idx(8, &[100, 10, 10], &(0..10_000u32).map(|i| (i * i / 7) as u8).collect::<Vec<_>>());
        let z = gz(&f);
        let cut = refusal(&z[..z.len() / 2], 3);
        assert!(cut.contains("truncated: the file ends here, the values up to byte 10016 are missing"), "{cut}");
        let more = refusal(&gz(&[&f[..], b"xyz"].concat()), 3);
        assert_eq!(more, "byte 10016: trailing bytes: sizes [100, 10, 10] end here, the file goes on");
        let mut broken = z.clone();
        let middle = broken.len() / 2;
        broken[middle..middle + 8].fill(0xff);
        assert!(with_file(&broken, |p| read(p, 3)).is_err());
        // A few compressed bytes that declare gigabytes are refused before memory is taken.
        let bomb = refusal(&gz(&idx(8, &[1 << 20, 32, 32], &[])), 3);
        assert!(bomb.starts_with("byte 4: truncated: sizes [1048576, 32, 32] need 1073741840 bytes"), "{bomb}");
    }

    #[test]
    fn images_and_labels_must_fit_together() {
        let images = idx(8, &[2, 1, 2], &[1, 2, 3, 4]);
        let pair = |labels: &[u8]| {
            let labels = idx(8, &[labels.len() as u32], labels);
            with_file(&images, |i| with_file(&labels, |l| (read_labelled(i, l, 10), i.to_path_buf(), l.to_path_buf())))
        };
        let (ok, ..) = pair(&[9, 0]);
        assert_eq!(ok.unwrap(), Labelled { count: 2, rows: 1, columns: 2, pixels: vec![1, 2, 3, 4], labels: vec![9, 0] });
        let (e, i, l) = pair(&[1, 2, 3]);
        assert_eq!(e.unwrap_err().to_string(), format!("{}: 3 labels for the 2 images of {}", l.display(), i.display()));
        let (e, _, l) = pair(&[3, 10]);
        let text = format!("{}: byte 9: label 10 of stimulus 1 is out of range, expected 0 to 9", l.display());
        assert_eq!(e.unwrap_err().to_string(), text);
    }

    #[test]
    fn missing_files_say_where_they_were_looked_for() {
        let folder = std::env::temp_dir();
        let e = find(&folder, "no-such-idx").unwrap_err();
        assert_eq!(e.to_string(), format!("{}: no such file, plain or with .gz", folder.join("no-such-idx").display()));
        let nowhere = folder.join("no-such-folder");
        let e = find(&nowhere, "a").unwrap_err();
        assert_eq!(e.to_string(), format!("{}: the folder does not exist", nowhere.join("a").display()));
        assert!(matches!(read(&nowhere, 3), Err(Error::File { missing: true, .. })));
        assert!(matches!(read(&folder, 3), Err(Error::File { missing: false, .. })), "a folder is not a file");
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), dims in 0usize..5) {
            let _ = parse(Path::new("random"), bytes.as_slice(), dims, bytes.len() as u64);
            let _ = with_file(&bytes, |p| read(p, dims));
        }

        #[test]
        fn random_sizes_read_back_or_are_refused(
            dims in prop::collection::vec(prop_oneof![0u32..6, any::<u32>()], 1..4),
            count in 0usize..64,
            compressed in any::<bool>(),
        ) {
            let values: Vec<u8> = (0..count).map(|i| i as u8).collect();
            let f = idx(8, &dims, &values);
            let result = with_file(&if compressed { gz(&f) } else { f }, |p| read(p, dims.len()));
            let product = dims.iter().fold(1u64, |a, d| a.saturating_mul(u64::from(*d)));
            if product == count as u64 && count > 0 {
                prop_assert_eq!(result.unwrap().values, values);
            } else {
                prop_assert!(result.is_err());
            }
        }

        #[test]
        fn damaged_gzip_never_panics(at in 0usize..60, byte in any::<u8>()) {
            let mut z = gz(&idx(8, &[2, 3, 3], &[7; 18]));
            let at = at % z.len();
            z[at] = byte;
            let _ = with_file(&z, |p| read(p, 3));
        }
    }
}
