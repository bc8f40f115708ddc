//! The error type of the crate: one variant a kind of mistake, with fields instead of sentences.
//!
//! Every text says what is wrong, where (the cell, file or parameter), what was expected, what was got and what to do.

use std::path::PathBuf;

/// Everything that can go wrong in this crate.
///
/// `code()` is stable and is what the Python layer maps to its exception classes.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A parameter has a value outside its range or list.
    #[error("{owner}: parameter `{name}` is {got}, expected {expected}")]
    Value {
        /// Cell, solver, filler ... that owns the parameter.
        owner: String,
        /// Name of the parameter.
        name: String,
        /// What was given.
        got: String,
        /// What is accepted.
        expected: String,
    },
    /// A parameter has a value of the wrong type.
    #[error("{owner}: parameter `{name}` must be {expected}, got {got}")]
    Type {
        /// Cell, solver, filler ... that owns the parameter.
        owner: String,
        /// Name of the parameter.
        name: String,
        /// What was given.
        got: String,
        /// The accepted type.
        expected: String,
    },
    /// A name that the catalogue or the object does not know.
    #[error("{owner}: `{name}` is not {what}{}", nearest.as_ref().map(|n| format!("; did you mean `{n}`?")).unwrap_or_default())]
    Unknown {
        /// Who was asked.
        owner: String,
        /// The word given.
        name: String,
        /// What kind of word was expected, with its article ("a parameter").
        what: String,
        /// The nearest accepted word.
        nearest: Option<String>,
    },
    /// Shapes that do not fit together.
    #[error("{owner}: {what}: expected {expected}, got {got}")]
    Shape {
        /// Cell or function.
        owner: String,
        /// Which tensor or dimension.
        what: String,
        /// What would fit.
        expected: String,
        /// What was given.
        got: String,
    },
    /// A file that cannot be read or written.
    #[error("{}: {what}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong and where in the file.
        what: String,
        /// True when the file does not exist.
        missing: bool,
    },
    /// Data that cannot be used (labels out of range, values that are not finite ...).
    #[error("{owner}: {what}")]
    Data {
        /// Provider, target or cell.
        owner: String,
        /// What is wrong and what to do.
        what: String,
    },
    /// An operation that the present state does not allow.
    #[error("{owner}: {what}")]
    State {
        /// Object asked.
        owner: String,
        /// What is wrong and what to do first.
        what: String,
    },
}

impl Error {
    /// A short stable code: `value`, `type`, `unknown`, `shape`, `file`, `data` or `state`.
    pub fn code(&self) -> &'static str {
        match self {
            Error::Value { .. } => "value",
            Error::Type { .. } => "type",
            Error::Unknown { .. } => "unknown",
            Error::Shape { .. } => "shape",
            Error::File { .. } => "file",
            Error::Data { .. } => "data",
            Error::State { .. } => "state",
        }
    }

    /// An [`Error::Value`].
    #[allow(clippy::needless_pass_by_value)]
    pub fn value(owner: impl Into<String>, name: impl Into<String>, got: impl ToString, expected: impl Into<String>) -> Self {
        Error::Value { owner: owner.into(), name: name.into(), got: got.to_string(), expected: expected.into() }
    }

    /// An [`Error::Shape`].
    #[allow(clippy::needless_pass_by_value)]
    pub fn shape(owner: impl Into<String>, what: impl Into<String>, expected: impl ToString, got: impl ToString) -> Self {
        Error::Shape { owner: owner.into(), what: what.into(), expected: expected.to_string(), got: got.to_string() }
    }

    /// An [`Error::State`].
    pub fn state(owner: impl Into<String>, what: impl Into<String>) -> Self {
        Error::State { owner: owner.into(), what: what.into() }
    }

    /// An [`Error::Data`].
    pub fn data(owner: impl Into<String>, what: impl Into<String>) -> Self {
        Error::Data { owner: owner.into(), what: what.into() }
    }

    /// An [`Error::Unknown`] with the nearest of `known`, if one is near.
    pub fn unknown(owner: impl Into<String>, name: &str, what: impl Into<String>, known: &[&str]) -> Self {
        Error::Unknown { owner: owner.into(), name: name.to_string(), what: what.into(), nearest: nearest(name, known).map(str::to_string) }
    }

    /// An [`Error::File`] about the content of a file.
    pub fn file(path: impl Into<PathBuf>, what: impl Into<String>) -> Self {
        Error::File { path: path.into(), what: what.into(), missing: false }
    }

    /// An [`Error::File`] from an I/O error.
    pub fn io(path: impl Into<PathBuf>, e: &std::io::Error) -> Self {
        let missing = e.kind() == std::io::ErrorKind::NotFound;
        let what = if missing { "no such file".to_string() } else { e.to_string() };
        Error::File { path: path.into(), what, missing }
    }
}

/// The result type of the crate.
pub type Result<T> = std::result::Result<T, Error>;

/// The word of `known` with the smallest edit distance to `word`, if that is at most a third of its length.
pub fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let near = known.iter().map(|k| (edit_distance(word, k), *k)).min()?;
    (near.0 <= word.len().max(3).div_ceil(3)).then_some(near.1)
}

/// Levenshtein distance in characters.
fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let above = row[j + 1];
            row[j + 1] = (above + 1).min(row[j] + 1).min(diagonal + usize::from(ca != *cb));
            diagonal = above;
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_say_where_expected_and_got() {
        let e = Error::value("Conv_0", "stride_dims", "[0, 1]", "two integers of at least 1");
        assert_eq!(e.to_string(), "Conv_0: parameter `stride_dims` is [0, 1], expected two integers of at least 1");
        let e = Error::unknown("Conv", "paddin_dims", "a parameter", &["padding_dims", "stride_dims"]);
        assert_eq!(e.to_string(), "Conv: `paddin_dims` is not a parameter; did you mean `padding_dims`?");
        let e = Error::unknown("Conv", "zzz", "a parameter", &["padding_dims"]);
        assert_eq!(e.to_string(), "Conv: `zzz` is not a parameter");
    }

    #[test]
    fn edit_distance_of_known_pairs() {
        assert_eq!(edit_distance("kitten", "sitting"), 3);
        assert_eq!(edit_distance("", "abc"), 3);
        assert_eq!(edit_distance("same", "same"), 0);
    }
}
