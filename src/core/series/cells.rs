//! The numbers of one series.

use std::ops::Deref;

/// One number for each column, `None` where there is none. A single one, as most series have it, is kept in place:
/// a fleet's series would have as many allocations.
#[derive(Debug, Clone, PartialEq)]
pub struct Cells(Kept);

#[derive(Debug, Clone, PartialEq)]
enum Kept {
    One([Option<f64>; 1]),
    Several(Box<[Option<f64>]>),
}

impl From<&[Option<f64>]> for Cells {
    fn from(cells: &[Option<f64>]) -> Self {
        Self(match cells {
            [one] => Kept::One([*one]),
            several => Kept::Several(several.into()),
        })
    }
}

impl From<Vec<Option<f64>>> for Cells {
    fn from(cells: Vec<Option<f64>>) -> Self {
        Self(match *cells {
            [one] => Kept::One([one]),
            _ => Kept::Several(cells.into()),
        })
    }
}

impl Deref for Cells {
    type Target = [Option<f64>];

    fn deref(&self) -> &[Option<f64>] {
        match &self.0 {
            Kept::One(one) => one,
            Kept::Several(several) => several,
        }
    }
}
