mod decode;
mod diagnostic;
mod docs;
mod fixtures;
mod locate;
mod parse;
mod promql;
mod scalar;
