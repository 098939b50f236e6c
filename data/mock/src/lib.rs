//! Mock galaxies.
