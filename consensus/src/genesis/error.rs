//! Why a genesis file is refused.

/// A genesis file is refused. Blame: whoever wrote the file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GenesisError {
    /// It is not JSON.
    #[error("genesis.json is not valid JSON: {0}")]
    Syntax(String),
    /// It is larger than a genesis file may be.
    #[error("genesis.json has {size} bytes, at most {max} are allowed")]
    TooLarge {
        /// Its size.
        size: usize,
        /// The bound.
        max: usize,
    },
    /// A field breaks a rule.
    #[error("genesis.json: {path}: {problem}")]
    Field {
        /// Where, such as `app_state.accounts[3].balance`.
        path: String,
        /// What is wrong with it and what is expected.
        problem: String,
    },
}

impl GenesisError {
    pub(super) fn field<P: Into<String>>(path: &str, problem: P) -> Self {
        Self::Field { path: path.to_owned(), problem: problem.into() }
    }
}
