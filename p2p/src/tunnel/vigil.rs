//! Whether a peer is still there. A killed process says nothing over UDP, so silence and its system's reports must do.
//!
//! Neither is proof: a report can be forged, and a loaded machine can be silent. Both only raise a doubt; the peer is asked
//! for a handshake then, which it must answer even without a session, and anything authentic from it ends the doubt.

use std::time::{Duration, Instant};

#[cfg(test)]
#[path = "vigil_test.rs"]
mod tests;

/// Two ticks further apart than this mean that this process itself stood still; that time is nobody's silence.
const STOOD_STILL: Duration = Duration::from_secs(1);
/// Questions asked while a doubt lasts.
const QUESTIONS: u32 = 3;

/// What is believed about a peer.
#[derive(Debug, Default)]
pub(crate) struct Vigil {
    heard: Option<Instant>,
    /// When it was first sent data after it was last heard.
    spoke: Option<Instant>,
    doubt: Option<Doubt>,
    ticked: Option<Instant>,
}

#[derive(Debug)]
struct Doubt {
    until: Instant,
    /// When to ask next, and how long to wait after that.
    ask: Instant,
    step: Duration,
}

/// What to do now.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing.
    Fine,
    /// Ask for a handshake, and look again then.
    Ask(Instant),
    /// Look again then.
    Wait(Instant),
    /// The peer is gone.
    Gone,
}

impl Vigil {
    /// Something authentic came from the peer.
    pub(crate) fn heard(&mut self, now: Instant) {
        (self.heard, self.spoke, self.doubt) = (Some(now), None, None);
    }

    /// Data was sent to the peer.
    pub(crate) fn spoke(&mut self, now: Instant) {
        self.spoke.get_or_insert(now);
    }

    /// The peer's system reported a closed port.
    pub(crate) fn refused(&mut self, now: Instant, patience: Duration) {
        let until = now + patience;
        match &mut self.doubt {
            Some(doubt) if doubt.until <= until => {}
            doubt => *doubt = Some(Doubt { until, ask: now, step: patience / QUESTIONS }),
        }
    }

    /// Judges; `patience` is how long a peer that was sent data may be silent.
    pub(crate) fn tick(&mut self, now: Instant, patience: Duration) -> Verdict {
        self.forgive(now);
        if self.doubt.is_none() {
            match self.spoke {
                Some(spoke) if now.saturating_duration_since(spoke) >= patience => {
                    self.doubt = Some(Doubt { until: now + patience, ask: now, step: patience / QUESTIONS });
                }
                _ => return Verdict::Fine,
            }
        }
        let Some(doubt) = &mut self.doubt else { return Verdict::Fine };
        if doubt.until <= now {
            (self.doubt, self.spoke) = (None, None);
            return Verdict::Gone;
        }
        if doubt.ask <= now {
            doubt.ask = now + doubt.step;
            return Verdict::Ask(doubt.ask.min(doubt.until));
        }
        Verdict::Wait(doubt.ask.min(doubt.until))
    }

    fn forgive(&mut self, now: Instant) {
        let gap = self.ticked.replace(now).map_or(Duration::ZERO, |ticked| now.saturating_duration_since(ticked));
        if gap > STOOD_STILL {
            self.spoke = self.spoke.map(|spoke| spoke + gap);
            if let Some(doubt) = &mut self.doubt {
                doubt.until += gap;
            }
        }
    }

    /// Whether it was sent data since it was last heard.
    pub(crate) const fn has_spoken(&self) -> bool {
        self.spoke.is_some()
    }

    pub(crate) const fn last_heard(&self) -> Option<Instant> {
        self.heard
    }
}
