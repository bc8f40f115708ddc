//! Parameters as text (`.syntxt`): numbers between blanks, one line an output.
//!
//! Numbers are written with the fewest digits that give the same `f32` back (9 at most); anything that a C `float`
//! can be written as is read.

use super::write_atomic;
use crate::error::{Error, Result};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

/// No number needs more characters.
const LONGEST_NUMBER: u64 = 64;

/// The shortest text that reads back as `v`: plain from 1e-5 to 1e9, with an exponent outside.
fn number(v: f32) -> String {
    if v == 0.0 || (1e-5..1e9).contains(&v.abs()) { format!("{v}") } else { format!("{v:e}") }
}

/// Writes one line for each slice, complete or not at all. A line of several numbers ends with a blank, as in N2D2.
///
/// # Errors
/// [`Error::File`] if the file cannot be written.
pub fn write_syntxt(path: impl AsRef<Path>, lines: &[Vec<f32>]) -> Result<()> {
    write_atomic(path, |w| {
        for line in lines {
            if let [v] = line.as_slice() {
                writeln!(w, "{}", number(*v))?;
            } else {
                for v in line {
                    write!(w, "{} ", number(*v))?;
                }
                writeln!(w)?;
            }
        }
        Ok(())
    })
}

/// Reads exactly `count` numbers.
///
/// # Errors
/// [`Error::File`] with the line for a missing file, for anything that is not a finite number, and for another count.
pub fn read_syntxt(path: impl AsRef<Path>, count: usize) -> Result<Vec<f32>> {
    let path = path.as_ref();
    let file = File::open(path).map_err(|e| Error::io(path, &e))?;
    // A hostile file must not fill the memory: lines are read up to what `count` numbers can take.
    let limit = (count as u64 + 1) * (LONGEST_NUMBER + 1);
    let mut reader = BufReader::new(file.take(limit + 1));
    let (mut values, mut line, mut read_bytes) = (Vec::new(), Vec::new(), 0);
    for row in 1.. {
        line.clear();
        let n = reader.read_until(b'\n', &mut line).map_err(|e| Error::io(path, &e))?;
        read_bytes += n as u64;
        if n == 0 {
            break;
        }
        for word in line.split(u8::is_ascii_whitespace).filter(|w| !w.is_empty()) {
            let number = std::str::from_utf8(word).ok().and_then(|w| w.parse::<f32>().ok()).filter(|v| v.is_finite());
            let Some(number) = number else {
                let word = String::from_utf8_lossy(&word[..word.len().min(LONGEST_NUMBER as usize)]);
                return Err(Error::file(path, format!("line {row}: `{word}` is not a finite number")));
            };
            if values.len() == count {
                return Err(Error::file(path, format!("line {row}: more numbers than the {count} expected")));
            }
            values.push(number);
        }
    }
    if read_bytes > limit {
        return Err(Error::file(path, format!("larger than {count} numbers can be")));
    }
    if values.len() < count {
        return Err(Error::file(path, format!("ends after {} of {count} numbers", values.len())));
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn file(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("n2d2-syntxt-{name}-{}", std::process::id()))
    }

    #[test]
    fn numbers_come_back_to_the_bit() {
        let path = file("bits");
        let lines = vec![vec![0.1, -1.0 / 3.0, 1e-30], vec![f32::MAX, f32::MIN_POSITIVE, -0.0], vec![16_777_217.0]];
        write_syntxt(&path, &lines).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text, "0.1 -0.33333334 1e-30 \n3.4028235e38 1.1754944e-38 -0 \n16777216\n");
        let read = read_syntxt(&path, 7).unwrap();
        assert_eq!(read.iter().map(|v| v.to_bits()).collect::<Vec<_>>(), lines.concat().iter().map(|v| v.to_bits()).collect::<Vec<_>>());
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn bad_files_are_reported_with_file_and_line() {
        let path = file("bad");
        let cases: [(&[u8], &str); 7] = [
            (b"1 2\n", "ends after 2 of 3 numbers"),
            (b"", "ends after 0 of 3 numbers"),
            (b"1 2\n3 4\n", "line 2: more numbers than the 3 expected"),
            (b"1 2\n3x\n", "line 2: `3x` is not a finite number"),
            (b"1 nan 2", "line 1: `nan` is not a finite number"),
            (b"1 1e99 2", "line 1: `1e99` is not a finite number"),
            (b"\xff\xfe", "line 1: `\u{fffd}\u{fffd}` is not a finite number"),
        ];
        for (content, what) in cases {
            std::fs::write(&path, content).unwrap();
            assert_eq!(read_syntxt(&path, 3).unwrap_err().to_string(), format!("{}: {what}", path.display()));
        }
        std::fs::write(&path, vec![b' '; 1_000_000]).unwrap();
        assert_eq!(read_syntxt(&path, 3).unwrap_err().to_string(), format!("{}: larger than 3 numbers can be", path.display()));
        std::fs::remove_file(&path).unwrap();
        assert!(matches!(read_syntxt(&path, 3), Err(Error::File { missing: true, .. })));
    }
}
