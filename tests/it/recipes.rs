//! The recipes of `docs/recipes`, each driven through the built binary from the pages of engines and exporters
//! to the number of replicas. Run with `--no-capture` to see what was put in and what came of it.

pub(crate) mod autoscaler;
mod budget;
pub(crate) mod cases;
mod clocks;
mod floor;
pub(crate) mod pages;
mod redis;
pub(crate) mod rows;
pub(crate) mod stage;
pub(crate) mod usual;

use futures_util::future::join_all;

use stage::Stage;

#[tokio::test(flavor = "multi_thread")]
async fn recipes_on_a_prometheus_want_the_replicas_that_they_promise() {
    let recipes = cases::recipes();
    let stage = Stage::of(&recipes).await;
    let (mut all, mut wrong) = (Vec::new(), Vec::new());
    for (rows, complaints) in join_all(recipes.iter().map(|recipe| stage.play(recipe))).await {
        all.extend(rows);
        wrong.extend(complaints);
    }
    rows::print(&all);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
