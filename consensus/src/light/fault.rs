//! What is wrong with a piece of a light block or a receipt, and where.

use std::fmt;

/// One finding: the path of the field (dots and indexes, as in the JSON form) and a sentence about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// For example `block.commit.signatures[3]`.
    pub field: String,
    /// A clause that completes "FIELD: …".
    pub reason: String,
}

impl Fault {
    /// A fault in `field`.
    pub fn new(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { field: field.into(), reason: reason.into() }
    }

    /// The same fault seen from the object that holds this one under `parent`.
    #[must_use]
    pub fn within(self, parent: &str) -> Self {
        let field = match (parent.is_empty(), self.field.is_empty()) {
            (true, _) => self.field,
            (false, true) => parent.to_owned(),
            (false, false) => format!("{parent}.{}", self.field),
        };
        Self { field, reason: self.reason }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.field.is_empty() { f.write_str(&self.reason) } else { write!(f, "{}: {}", self.field, self.reason) }
    }
}

#[cfg(test)]
mod tests {
    use super::Fault;

    #[test]
    fn paths_grow_from_the_inside_out() {
        let fault = Fault::new("signatures[3]", "does not verify").within("commit").within("block");
        assert_eq!(fault.to_string(), "block.commit.signatures[3]: does not verify");
        assert_eq!(Fault::new("", "is empty").within("bridge[0]").to_string(), "bridge[0]: is empty");
        assert_eq!(Fault::new("", "is empty").to_string(), "is empty");
    }
}
