//! [`Links`]: who can reach whom.

use super::rng::Rng;
use super::settings::IDS;

const SIDE: usize = IDS as usize + 1;

/// Each direction of each pair may be cut.
#[derive(Clone, Debug, Default)]
pub(crate) struct Links {
    cut: [[bool; SIDE]; SIDE],
    /// What this node sends to that one arrives at this moment at the earliest.
    pub(crate) late: Option<(u64, u64, u64)>,
    /// How things are cut, for display; empty when nothing is.
    pub(crate) shape: &'static str,
}

impl Links {
    pub(crate) fn is_cut(&self, from: u64, to: u64) -> bool {
        self.cut[from as usize][to as usize]
    }

    /// Before when nothing that `from` sends now gets to `to`.
    pub(crate) fn not_before(&self, from: u64, to: u64) -> u64 {
        self.late.map_or(0, |(late, receiver, until)| if (late, receiver) == (from, to) { until } else { 0 })
    }

    pub(crate) fn is_whole(&self) -> bool {
        self.shape.is_empty()
    }

    /// Cuts these nodes off from all others.
    pub(crate) fn cut_off(&mut self, side: &[u64]) {
        *self = Links { shape: "halves", late: self.late, ..Links::default() };
        for from in 1..SIDE {
            for to in 1..SIDE {
                self.cut[from][to] = side.contains(&(from as u64)) != side.contains(&(to as u64));
            }
        }
    }

    /// Nothing that this node sends arrives.
    pub(crate) fn mute(&mut self, id: u64) {
        *self = Links { shape: "mute", ..Links::default() };
        self.cut[id as usize] = [true; SIDE];
    }

    /// Cuts these nodes off from all others but one.
    pub(crate) fn cut_apart(&mut self, side: &[u64], between: u64) {
        self.cut_off(side);
        for other in 1..SIDE {
            self.cut[between as usize][other] = false;
            self.cut[other][between as usize] = false;
        }
    }

    /// Cuts in one of several shapes; `victim` is on the side that suffers where there is one.
    pub(crate) fn break_up(&mut self, rng: &mut Rng, victim: u64) {
        *self = Links::default();
        let side = rng.next();
        let on_side = |id: usize| side >> id & 1 == 1;
        let alone = victim as usize;
        self.shape = rng.pick(&["split", "alone", "mute", "deaf", "one-way", "holes"]);
        for from in 1..SIDE {
            for to in 1..SIDE {
                self.cut[from][to] = match self.shape {
                    "split" => on_side(from) != on_side(to),
                    "alone" => from == alone || to == alone,
                    "mute" => from == alone,
                    "deaf" => to == alone,
                    "one-way" => on_side(from) && !on_side(to),
                    _ => rng.permille(300),
                } && from != to;
            }
        }
    }
}
