//! Where the labels of a plot find room: beside their dots, and on no other.

/// Of a label in the plot.
const HEIGHT: f64 = 13.0;

/// A rectangle of the drawing.
#[derive(Debug, Clone, Copy)]
pub struct Box {
    pub left: f64,
    pub top: f64,
    pub right: f64,
    pub bottom: f64,
}

impl Box {
    pub fn around((x, y): (f64, f64), r: f64) -> Self {
        Self { left: x - r, top: y - r, right: x + r, bottom: y + r }
    }

    pub fn spanning(a: (f64, f64), b: (f64, f64)) -> Self {
        Self { left: a.0.min(b.0), top: a.1.min(b.1), right: a.0.max(b.0), bottom: a.1.max(b.1) }
    }

    pub fn overlaps(&self, other: &Self) -> bool {
        self.left < other.right && other.left < self.right && self.top < other.bottom && other.top < self.bottom
    }

    /// The spot nearest to a point.
    pub fn nearest(&self, (x, y): (f64, f64)) -> (f64, f64) {
        (x.clamp(self.left, self.right), y.clamp(self.top, self.bottom))
    }

    pub fn distance(&self, from: (f64, f64)) -> f64 {
        let to = self.nearest(from);
        (to.0 - from.0).hypot(to.1 - from.1)
    }

    pub fn within(&self, other: &Self) -> bool {
        self.left >= other.left && self.right <= other.right && self.top >= other.top && self.bottom <= other.bottom
    }
}

/// What is already drawn where a label would have to go.
#[derive(Default)]
pub struct Taken {
    /// Where the dots are: a label stands nearest to its own.
    pub marks: Vec<(f64, f64)>,
    /// Marks, lines and labels: never beneath a label.
    pub boxes: Vec<Box>,
    /// The labels among them.
    pub labels: Vec<Box>,
    /// Whiskers: beneath a label only where there is no other place.
    pub faint: Vec<Box>,
}

impl Taken {
    pub fn label(&mut self, place: Box) {
        self.boxes.push(place);
        self.labels.push(place);
    }

    /// A free place beside a point for a text of that width: nearest ones first, and nearer to this point than to any
    /// other.
    pub fn room(&self, at: (f64, f64), width: f64, frame: &Box) -> Option<Box> {
        let own = |p: &Box| {
            let mine = p.distance(at);
            self.marks.iter().all(|&m| (m.0 - at.0).hypot(m.1 - at.1) < 2.0 || p.distance(m) > mine + 3.0)
        };
        let places: Vec<Box> = [9.0, 13.0, 18.0].into_iter().flat_map(|d| around(at, d, width)).filter(own).collect();
        // Far places only when clear: a distant label on a whisker would seem to belong to another dot.
        let near = |p: &&Box| p.distance(at) < 14.0 && self.is_free(p, frame);
        places.iter().find(|p| self.is_clear(p, frame)).or_else(|| places.iter().find(near)).copied()
    }

    /// A clear place further off, never straight above, below or beside: the line to it would pass for a whisker.
    pub fn far_room(&self, at: (f64, f64), width: f64, frame: &Box) -> Option<Box> {
        let angles = [-60.0, -120.0, 60.0, 120.0, -30.0, -150.0, 30.0, 150.0_f64].map(f64::to_radians);
        let places = [26.0, 36.0, 48.0, 62.0, 80.0, 100.0].into_iter().flat_map(|d| {
            angles.map(|angle| {
                let (x, y) = (at.0 + d * angle.cos(), at.1 + d * angle.sin());
                let left = if angle.cos() > 0.0 { x } else { x - width };
                Box { left, top: y - HEIGHT / 2.0, right: left + width, bottom: y + HEIGHT / 2.0 }
            })
        });
        // The line to it must not run through another dot or a label.
        let apart = |p: &Box| {
            let end = p.nearest(at);
            (1..=20).map(|i| f64::from(i) / 20.0).all(|share| {
                let spot = (at.0 + (end.0 - at.0) * share, at.1 + (end.1 - at.1) * share);
                let hit =
                    |m: &(f64, f64)| (m.0 - at.0).hypot(m.1 - at.1) > 2.0 && (m.0 - spot.0).hypot(m.1 - spot.1) < 5.5;
                !self.marks.iter().any(hit) && !self.labels.iter().any(|l| l.distance(spot) < 1.0)
            })
        };
        let mut places = places.into_iter();
        places.find(|p| self.is_clear(p, frame) && apart(p))
    }

    fn is_free(&self, place: &Box, frame: &Box) -> bool {
        place.within(frame) && !self.boxes.iter().any(|b| b.overlaps(place))
    }

    fn is_clear(&self, place: &Box, frame: &Box) -> bool {
        self.is_free(place, frame) && !self.faint.iter().any(|b| b.overlaps(place))
    }
}

/// Eight places for a label around a point: beside, above, below, then the corners.
fn around((x, y): (f64, f64), distance: f64, width: f64) -> [Box; 8] {
    let height = HEIGHT;
    let (d, e) = (distance, distance * 0.75);
    [
        (x + d, y - height / 2.0),
        (x - d - width, y - height / 2.0),
        (x - width / 2.0, y - d - height),
        (x - width / 2.0, y + d),
        (x + e, y - e - height),
        (x - e - width, y - e - height),
        (x + e, y + e),
        (x - e - width, y + e),
    ]
    .map(|(left, top)| Box { left, top, right: left + width, bottom: top + height })
}
