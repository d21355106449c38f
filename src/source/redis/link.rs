//! A connection, to one server or to a cluster of them.

use futures_util::future::join_all;
use redis::aio::{ConnectionLike as _, MultiplexedConnection};
use redis::cluster_async::ClusterConnection;
use redis::cluster_routing::{MultipleNodeRoutingInfo, RoutingInfo, SingleNodeRoutingInfo};
use redis::{Cmd, RedisError, RedisResult, Value};

use super::failure::Failure;

/// A connection that several may use at a time.
#[derive(Clone)]
pub(super) struct Link {
    pub(super) wire: Wire,
    /// What is at its other end, for people.
    pub(super) place: String,
}

#[derive(Clone)]
pub(super) enum Wire {
    One(MultiplexedConnection),
    Cluster(ClusterConnection),
}

/// A node of a cluster; `None` for the one server that there is.
pub(super) type Node = Option<(String, u16)>;

impl Link {
    /// Asks for one thing.
    pub(super) async fn ask(&mut self, command: Cmd, doing: &str) -> Result<Value, Failure> {
        let mut replies = self.ask_all(vec![command]).await.map_err(|error| self.failed(&error, doing))?;
        match replies.pop() {
            Some(Ok(value)) => Ok(value),
            Some(Err(error)) => Err(self.failed(&error, doing)),
            None => Err(self.mute(doing)),
        }
    }

    /// Asks for several things at once and returns as many replies, in the same order: one pipeline for
    /// a server, and as good as one for each node of a cluster.
    ///
    /// # Errors
    /// If there is no reply at all; what a server says of one command is that command's reply.
    pub(super) async fn ask_all(&mut self, commands: Vec<Cmd>) -> RedisResult<Vec<RedisResult<Value>>> {
        match &mut self.wire {
            Wire::One(connection) => {
                let count = commands.len();
                let mut pipeline = redis::pipe();
                for command in commands {
                    pipeline.add_command(command);
                }
                let replies = connection.req_packed_commands(&pipeline, 0, count).await?;
                Ok(replies.into_iter().map(Value::extract_error).collect())
            }
            Wire::Cluster(connection) => {
                let asked = commands.into_iter().map(|command| {
                    let mut connection = connection.clone();
                    async move { connection.req_packed_command(&command).await?.extract_error() }
                });
                Ok(join_all(asked).await)
            }
        }
    }

    /// Asks every primary for the same, and tells which one replied what.
    pub(super) async fn ask_each(
        &mut self,
        command: Cmd,
        doing: &str,
    ) -> Result<Vec<(Node, Value)>, Failure> {
        let Wire::Cluster(connection) = &mut self.wire else {
            return Ok(vec![(None, self.ask(command, doing).await?)]);
        };
        let routing = RoutingInfo::MultiNode((MultipleNodeRoutingInfo::AllMasters, None));
        let replies = connection.route_command(command, routing).await.and_then(Value::extract_error);
        let Value::Map(replies) = replies.map_err(|error| self.failed(&error, doing))? else {
            return Err(self.mute(doing));
        };
        let node = |name: &Value| {
            let Value::BulkString(name) = name else { return None };
            let (host, port) = std::str::from_utf8(name).ok()?.rsplit_once(':')?;
            Some((host.to_owned(), port.parse().ok()?))
        };
        let replies = replies.into_iter().map(|(name, value)| node(&name).map(|node| (Some(node), value)));
        replies.collect::<Option<_>>().ok_or_else(|| self.mute(doing))
    }

    /// Asks one node.
    pub(super) async fn ask_node(
        &mut self,
        node: &Node,
        command: Cmd,
        doing: &str,
    ) -> Result<Value, Failure> {
        match (&mut self.wire, node) {
            (Wire::Cluster(connection), Some((host, port))) => {
                let by_address = SingleNodeRoutingInfo::ByAddress { host: host.clone(), port: *port };
                let reply = connection.route_command(command, RoutingInfo::SingleNode(by_address)).await;
                reply.and_then(Value::extract_error).map_err(|error| self.failed(&error, doing))
            }
            _ => self.ask(command, doing).await,
        }
    }

    pub(super) fn failed(&self, error: &RedisError, doing: &str) -> Failure {
        Failure::of(error, &self.place, doing)
    }

    fn mute(&self, doing: &str) -> Failure {
        crate::source::SourceError::Unusable(format!("{} has no reply to {doing}", self.place)).into()
    }
}
