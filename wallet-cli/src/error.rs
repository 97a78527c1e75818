//! How a command ends when it does not succeed: the exit code, a sentence, and the next command to type.

use std::fmt::Display;
use std::process::ExitCode;

/// Result of everything in this crate.
pub type Result<T, E = Failure> = std::result::Result<T, E>;

/// A command's failure, grouped by what the caller has to do about it. The variant fixes the exit code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// Exit 1: a file, the node or the network did not do its part.
    #[error("{0}")]
    Error(Report),
    /// Exit 2: the command line asks for something that makes no sense.
    #[error("{0}")]
    Usage(Report),
    /// Exit 3: the proof is invalid.
    #[error("{0}")]
    Invalid(Report),
    /// Exit 4: not finished yet; what was done so far is saved.
    #[error("{0}")]
    Pending(Report),
    /// Exit 5: the proof holds, but not from a root that the caller trusts.
    #[error("{0}")]
    Untrusted(Report),
    /// A signal ended the command, and nothing is left to finish: 128 and the signal's number, as shells report it.
    #[error("{report}")]
    Stopped {
        /// What to tell.
        report: Report,
        /// The exit code.
        code: u8,
    },
}

/// What to tell the user.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Report {
    /// One sentence, naming the file, flag or field at fault.
    pub message: String,
    /// The command or step that mends it.
    pub next: Option<String>,
}

impl Failure {
    /// Exit 1.
    pub fn error(message: impl Into<String>) -> Self {
        Self::Error(Report::new(message))
    }

    /// Exit 2.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::Usage(Report::new(message))
    }

    /// Exit 3.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::Invalid(Report::new(message))
    }

    /// Exit 4.
    pub fn pending(message: impl Into<String>) -> Self {
        Self::Pending(Report::new(message))
    }

    /// Exit 5.
    pub fn untrusted(message: impl Into<String>) -> Self {
        Self::Untrusted(Report::new(message))
    }

    /// Ended by a signal.
    pub fn stopped(code: u8, message: impl Into<String>) -> Self {
        Self::Stopped { report: Report::new(message), code }
    }

    /// Adds half a sentence.
    #[must_use]
    pub fn also(mut self, more: &str) -> Self {
        let message = &mut self.report_mut().message;
        message.push_str("; ");
        message.push_str(more);
        self
    }

    /// Adds the next step.
    #[must_use]
    pub fn next(mut self, next: impl Into<String>) -> Self {
        self.report_mut().next = Some(next.into());
        self
    }

    /// Adds the next step where there is one.
    #[must_use]
    pub fn next_if(self, next: Option<String>) -> Self {
        match next {
            Some(next) => self.next(next),
            None => self,
        }
    }

    /// The process exit code.
    pub fn code(&self) -> u8 {
        match self {
            Self::Error(_) => 1,
            Self::Usage(_) => 2,
            Self::Invalid(_) => 3,
            Self::Pending(_) => 4,
            Self::Untrusted(_) => 5,
            Self::Stopped { code, .. } => *code,
        }
    }

    /// The word that `--json` uses for the class.
    pub fn class(&self) -> &'static str {
        match self {
            Self::Error(_) => "error",
            Self::Usage(_) => "usage",
            Self::Invalid(_) => "invalid",
            Self::Pending(_) => "pending",
            Self::Untrusted(_) => "untrusted",
            Self::Stopped { .. } => "stopped",
        }
    }

    /// The message and the next step.
    pub fn report(&self) -> &Report {
        match self {
            Self::Error(report)
            | Self::Usage(report)
            | Self::Invalid(report)
            | Self::Pending(report)
            | Self::Untrusted(report)
            | Self::Stopped { report, .. } => report,
        }
    }

    fn report_mut(&mut self) -> &mut Report {
        match self {
            Self::Error(report)
            | Self::Usage(report)
            | Self::Invalid(report)
            | Self::Pending(report)
            | Self::Untrusted(report)
            | Self::Stopped { report, .. } => report,
        }
    }

    /// The document that `--json` prints for a failure; `next` stands in it where there is such a step.
    pub fn document(&self) -> serde_json::Value {
        let report = self.report();
        let mut error = serde_json::json!({ "exit_code": self.code(), "message": report.message });
        if let Some(next) = &report.next {
            error["next"] = next.as_str().into();
        }
        serde_json::json!({ "status": self.class(), "error": error })
    }
}

impl Report {
    fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), next: None }
    }
}

impl From<Failure> for ExitCode {
    fn from(failure: Failure) -> Self {
        Self::from(failure.code())
    }
}

/// Turns foreign errors into a `Failure::Error` that says what was being done.
pub trait Context<T> {
    /// `what` is the beginning of the sentence; the cause follows after a colon.
    fn context(self, what: impl FnOnce() -> String) -> Result<T>;
}

impl<T, E: Display> Context<T> for std::result::Result<T, E> {
    fn context(self, what: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|cause| Failure::error(format!("{}: {cause}", what())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_has_its_exit_code() {
        let codes: Vec<_> = [
            Failure::error("x"),
            Failure::usage("x"),
            Failure::invalid("x"),
            Failure::pending("x"),
            Failure::untrusted("x"),
            Failure::stopped(130, "x"),
        ]
        .iter()
        .map(|failure| (failure.code(), failure.class()))
        .collect();
        let classes = ["error", "usage", "invalid", "pending", "untrusted"];
        let expected: Vec<_> = (1..).zip(classes).chain([(130, "stopped")]).collect();
        assert_eq!(codes, expected);
    }

    #[test]
    fn the_document_carries_message_and_next_step() {
        let document = Failure::pending("not anchored yet").next("pyralog receipt fetch r.json").document();
        assert_eq!(document["status"], "pending");
        assert_eq!(document["error"]["exit_code"], 4);
        assert_eq!(document["error"]["next"], "pyralog receipt fetch r.json");
        let document = Failure::error("no step mends it").document();
        assert_eq!(document["error"], serde_json::json!({ "exit_code": 1, "message": "no step mends it" }));
    }

    #[test]
    fn half_a_sentence_more_keeps_class_and_next_step() {
        let failure = Failure::pending("not anchored yet").next("wait").also("2 of 3 are");
        assert_eq!((failure.code(), failure.to_string().as_str()), (4, "not anchored yet; 2 of 3 are"));
        assert_eq!(failure.report().next.as_deref(), Some("wait"));
    }

    #[test]
    fn context_says_what_was_being_done() {
        let result: std::result::Result<(), _> = Err(std::io::Error::other("disk is on fire"));
        let failure = result.context(|| "cannot read a.txt".to_owned()).unwrap_err();
        assert_eq!(failure.to_string(), "cannot read a.txt: disk is on fire");
        assert_eq!(failure.code(), 1);
    }
}
