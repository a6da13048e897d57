//! The numbers behind a figure, as a table: one row for each thing that is drawn.

use super::plots::{Figure, Plot};
use super::study::{Point, Study};
use super::table::{Cell, Table};
use crate::stats::Interval;

impl Study {
    /// What a figure draws, with all digits.
    pub fn numbers(&self, figure: &Figure) -> Table {
        match &figure.plot {
            Plot::Lines { y, range, levels, panels } => {
                let head = ["panel", "curve", "coef", "mean", "low", "high", "n", "clusters"];
                let mut table = Table::new(head.map(str::to_owned));
                for panel in self.line_chart(figure, y, *range, levels, panels).panels {
                    for series in &panel.series {
                        for (x, i) in &series.points {
                            let named = [panel.title.as_str().into(), series.name.as_str().into(), (*x).into()];
                            table.push(named.into_iter().chain(cells(i)).collect());
                        }
                    }
                    for level in &panel.levels {
                        let level = (panel.title.as_str().into(), level.label.as_str().into(), level.value.into());
                        let missing = std::iter::repeat_n(Cell::Missing, 4);
                        table.push([level.0, level.1, Cell::Missing, level.2].into_iter().chain(missing).collect());
                    }
                }
                table
            }
            Plot::Scatter { x, y, arms, .. } => self.points_of(arms.iter(), &[x, y]),
            Plot::Cloud { x, y, groups } => self.points_of(groups.iter().flat_map(|crowd| &crowd.arms), &[x, y]),
            Plot::Histogram(histogram) => {
                let mut table = Table::new(["group", "value"].map(str::to_owned));
                for shape in &histogram.shapes {
                    shape.values.iter().for_each(|&value| table.push(vec![shape.name.as_str().into(), value.into()]));
                }
                table
            }
            Plot::Heat(map) => {
                self.points_of(map.arms.iter().map(|(arm, _)| arm), &map.axes.iter().collect::<Vec<_>>())
            }
            Plot::Profile(profile) => {
                self.points_of(profile.arms.iter().map(|(arm, _)| arm), &profile.axes.iter().collect::<Vec<_>>())
            }
        }
    }

    /// The pooled points of some arms on some axes.
    fn points_of<'a>(&self, arms: impl Iterator<Item = &'a String>, axes: &[&String]) -> Table {
        let of_axis = |axis: &&String| ["", "_low", "_high"].map(|end| format!("{axis}{end}"));
        let head = ["arm", "coef"].map(str::to_owned).into_iter().chain(axes.iter().flat_map(of_axis));
        let mut table = Table::new(head);
        for (arm, point) in arms.flat_map(|arm| self.pooled(arm).into_iter().map(move |point| (arm, point))) {
            let of = |point: &Point, axis: &String| match point.values.get(axis) {
                Some(i) => [i.mean.into(), i.low.into(), i.high.into()],
                None => [Cell::Missing, Cell::Missing, Cell::Missing],
            };
            let values = axes.iter().flat_map(|axis| of(point, axis));
            table.push([Cell::from(arm.as_str()), point.coef.into()].into_iter().chain(values).collect());
        }
        table
    }
}

fn cells(i: &Interval) -> [Cell; 5] {
    [i.mean.into(), i.low.into(), i.high.into(), i.n.into(), i.clusters.into()]
}
