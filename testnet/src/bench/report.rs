//! What a run found: figures that carry how they were measured.

use anyhow::{Context, Result};
use serde::Serialize;

use super::machine::Machine;
use super::timing::Times;

/// The whole run.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Where it ran.
    pub machine: Machine,
    /// Shorter runs were asked for.
    pub quick: bool,
    /// In the order of the run.
    pub groups: Vec<Group>,
}

/// Figures that belong together.
#[derive(Debug, Clone, Serialize)]
pub struct Group {
    /// Title.
    pub name: String,
    /// Where the work was done.
    pub place: Place,
    /// In the order of the run.
    pub figures: Vec<Figure>,
    /// What a reader must know besides.
    pub notes: Vec<String>,
}

/// Where the work was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Place {
    /// One thread of this process.
    #[serde(rename = "in-process")]
    InProcess,
    /// Several processes that share one machine, the load generator among them.
    #[serde(rename = "co-located: all on this machine")]
    CoLocated,
}

/// One number.
#[derive(Debug, Clone, Serialize)]
pub struct Figure {
    /// What was measured.
    pub what: String,
    /// The number.
    pub value: f64,
    /// Its unit.
    pub unit: &'static str,
    /// How.
    pub setting: Setting,
    /// How long the single submissions took, where they were timed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub took: Option<Took>,
    /// The same as a ratio to something else of this run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ratio: Option<Ratio>,
    /// What is aimed at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aim: Option<Aim>,
}

/// How a number was measured. What does not apply is absent.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Setting {
    /// Bytes of one record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record_bytes: Option<u64>,
    /// Records of one submission.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch: Option<u64>,
    /// What has happened when a record counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub durability: Option<&'static str>,
    /// Who submits, and how.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clients: Option<String>,
    /// How many were measured, or for how long.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sample: Option<String>,
}

/// Times of single submissions, microseconds.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Took {
    /// Half of them took no longer.
    pub p50_us: f64,
    /// All but one in a hundred took no longer.
    pub p99_us: f64,
}

/// A number relative to another one of the same run.
#[derive(Debug, Clone, Serialize)]
pub struct Ratio {
    /// Number divided by the other.
    pub value: f64,
    /// The other.
    pub of: &'static str,
}

/// What is aimed at on two cores.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Aim {
    /// Not less than this.
    AtLeast(f64),
    /// Not more than this.
    AtMost(f64),
    /// The ratio is not less than this.
    RatioAtLeast(f64),
    /// The ratio is not more than this.
    RatioAtMost(f64),
}

impl Aim {
    /// Whether `figure` reaches it; one of a ratio is missed where there is nothing to compare with.
    pub fn met(self, figure: &Figure) -> bool {
        let ratio = figure.ratio.as_ref().map(|ratio| ratio.value);
        match self {
            Self::AtLeast(least) => figure.value >= least,
            Self::AtMost(most) => figure.value <= most,
            Self::RatioAtLeast(least) => ratio.is_some_and(|ratio| ratio >= least),
            Self::RatioAtMost(most) => ratio.is_some_and(|ratio| ratio <= most),
        }
    }
}

impl Report {
    /// A report without figures.
    pub fn new(machine: Machine, quick: bool) -> Self {
        Self { machine, quick, groups: Vec::new() }
    }

    /// One JSON document with a final newline.
    pub fn to_json(&self) -> Result<String> {
        let mut text = serde_json::to_string_pretty(self).context("cannot encode the report")?;
        text.push('\n');
        Ok(text)
    }
}

impl Group {
    /// A group without figures.
    pub fn new(name: impl Into<String>, place: Place) -> Self {
        Self { name: name.into(), place, figures: Vec::new(), notes: Vec::new() }
    }

    /// Adds a figure.
    pub fn add(&mut self, figure: Figure) {
        self.figures.push(figure);
    }
}

impl Figure {
    /// A number in its setting.
    pub fn new(what: impl Into<String>, value: f64, unit: &'static str, setting: Setting) -> Self {
        Self { what: what.into(), value, unit, setting, took: None, ratio: None, aim: None }
    }

    /// With the times of the single submissions.
    pub fn timed(mut self, times: &Times) -> Self {
        self.took = Some(Took { p50_us: times.percentile_ms(50.0) * 1e3, p99_us: times.percentile_ms(99.0) * 1e3 });
        self
    }

    /// With its ratio to `other`, which is in the same unit.
    pub fn against(mut self, other: f64, of: &'static str) -> Self {
        // A ratio to nothing says nothing.
        self.ratio = (other > 0.0).then(|| Ratio { value: self.value / other, of });
        self
    }

    /// With what is aimed at.
    pub fn aim(mut self, aim: Aim) -> Self {
        self.aim = Some(aim);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_needs_something_to_compare_with() {
        let figure = || Figure::new("x", 10.0, "/s", Setting::default());
        assert_eq!(figure().against(4.0, "y").ratio.map(|r| r.value), Some(2.5));
        assert!(figure().against(0.0, "y").ratio.is_none());
    }

    #[test]
    fn aims_have_a_side() {
        let of = |value| Figure::new("x", value, "/s", Setting::default());
        assert!(Aim::AtLeast(2.0).met(&of(2.0)) && !Aim::AtLeast(2.0).met(&of(1.9)));
        assert!(Aim::AtMost(2.0).met(&of(2.0)) && !Aim::AtMost(2.0).met(&of(2.1)));
        let ratio = of(6.0).against(3.0, "y");
        assert!(Aim::RatioAtLeast(2.0).met(&ratio) && !Aim::RatioAtLeast(2.1).met(&ratio));
        assert!(Aim::RatioAtMost(2.0).met(&ratio) && !Aim::RatioAtMost(1.9).met(&ratio));
        assert!(!Aim::RatioAtLeast(0.0).met(&of(1.0)) && !Aim::RatioAtMost(9.0).met(&of(1.0)));
    }

    #[test]
    fn the_document_leaves_out_what_does_not_apply() {
        let mut group = Group::new("leaves", Place::CoLocated);
        let setting = Setting { batch: Some(1_000), ..Setting::default() };
        group.add(Figure::new("leaves", 5.0, "/s", setting).aim(Aim::AtLeast(3.0)));
        let value = serde_json::to_value(&group).unwrap();
        assert_eq!(value["place"], "co-located: all on this machine");
        assert_eq!(
            value["figures"][0],
            serde_json::json!({
                "what": "leaves", "value": 5.0, "unit": "/s", "setting": {"batch": 1000}, "aim": {"at_least": 3.0},
            })
        );
    }
}
