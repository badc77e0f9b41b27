//! A world in virtual time: hosts that drive nodes, a network and disks that fail, clients, and an oracle that watches.

pub(crate) mod ambush;
pub(crate) mod churn;
pub(crate) mod clients;
pub(crate) mod coverage;
pub(crate) mod disk;
pub(crate) mod faults;
pub(crate) mod host;
pub(crate) mod links;
pub(crate) mod machine;
pub(crate) mod oracle;
pub(crate) mod plant;
pub(crate) mod plots;
pub(crate) mod rng;
pub(crate) mod run;
pub(crate) mod seen;
pub(crate) mod settings;
pub(crate) mod trace;
pub(crate) mod wipes;
pub(crate) mod world;
