//! `deploy` brings an environment of plain Docker hosts to a wanted release.
