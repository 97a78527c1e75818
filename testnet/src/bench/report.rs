//! What a run found: figures that carry how they were measured.

use anyhow::{Context, Result};
use serde::Serialize;

use super::machine::Machine;

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
    pub name: &'static str,
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
}

impl Aim {
    /// Whether `value` reaches it.
    pub fn met(self, value: f64) -> bool {
        match self {
            Self::AtLeast(least) => value >= least,
            Self::AtMost(most) => value <= most,
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
    pub fn new(name: &'static str, place: Place) -> Self {
        Self { name, place, figures: Vec::new(), notes: Vec::new() }
    }

    /// Adds a figure.
    pub fn add(&mut self, figure: Figure) {
        self.figures.push(figure);
    }
}

impl Figure {
    /// A number in its setting.
    pub fn new(what: impl Into<String>, value: f64, unit: &'static str, setting: Setting) -> Self {
        Self { what: what.into(), value, unit, setting, ratio: None, aim: None }
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
        assert!(Aim::AtLeast(2.0).met(2.0) && !Aim::AtLeast(2.0).met(1.9));
        assert!(Aim::AtMost(2.0).met(2.0) && !Aim::AtMost(2.0).met(2.1));
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
