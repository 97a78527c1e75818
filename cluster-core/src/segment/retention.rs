//! Which segments may go.

use super::SegmentInfo;

/// Limits on what a stream keeps. Without any, it keeps everything for ever, as notary and chain logs must.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Retention {
    /// Records older than so many milliseconds may go.
    pub max_age_ms: Option<u64>,
    /// Records may go while the younger ones have at least so many bytes.
    pub max_bytes: Option<u64>,
}

impl Retention {
    /// The offset up to which the stream may be trimmed at the time `now_ms` (milliseconds since 1970). `segments` are those of
    /// [`super::RecordLog::segments`]: whole segments go, oldest first, each when one of the limits lets it. The first one that must stay
    /// keeps all behind it, and the last one always stays.
    ///
    /// Timestamps in the future keep their segment, and a clock that is ahead removes too early: the caller vouches for `now_ms`.
    #[must_use]
    pub fn trim_to(&self, segments: &[SegmentInfo], now_ms: u64) -> u64 {
        let Some((last, sealed)) = segments.split_last() else { return 0 };
        let mut left: u64 = segments.iter().map(|segment| segment.bytes).sum();
        for segment in sealed {
            left -= segment.bytes;
            let old = self.max_age_ms.is_some_and(|age| segment.max_time.saturating_add(age) < now_ms);
            let large = self.max_bytes.is_some_and(|bytes| left >= bytes);
            if !old && !large {
                return segment.first;
            }
        }
        last.first
    }
}
