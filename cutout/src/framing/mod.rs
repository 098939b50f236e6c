//! Which part of an image a view shows.
//!
//! The network was trained on Galaxy Zoo's frame: 424 x 424 pixels around the galaxy, each 0.02 x petroR90 wide
//! (petroR90 is the radius that contains 90 % of the Petrosian flux). Its test scales are sides of centre crops
//! in pixels of that frame. Whose cutouts are other than that needs to know where the frame lies in them:
//!
//! 1. [`FramingSettings`] is what was asked for.
//! 2. [`FramingSettings::plan`] is what that means for an image of a certain size. It needs no pixel. Two equal
//!    [`Plan`]s of the same image give the same views, so a plan's [`key`](Plan::key) is a part of what an answer
//!    depends on.
//! 3. [`Plan::frame`] looks at the image, if it must, and says where the frame is: a [`Frame`].
//! 4. [`Preprocessing::framed_views`](crate::Preprocessing::framed_views) makes the views.
//!
//! | file | |
//! |---|---|
//! | `plan` | steps 1 and 2 |
//! | `frame` | step 3 |
//! | `notice` | when each flag is raised |
//! | `cut` | step 4 |
//! | `measure` | finds the galaxy in the middle of an image, and its size |

mod cut;
mod frame;
mod measure;
mod notice;
mod plan;

use cut::resolution;
pub use frame::{Frame, Shown};
pub use measure::{Look, Measured};
pub use plan::{Framing, FramingFault, FramingSettings, Plan, UnknownFraming};

/// The side of Galaxy Zoo's frame, in its pixels.
pub const FRAME_SIDE: u32 = 424;

/// petroR90 in pixels of that frame: each is 0.02 petroR90 wide.
pub const FRAME_RADIUS: f64 = 50.0;
