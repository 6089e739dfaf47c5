use alloc::sync::Arc;

use sansocket::error::ConfigError;
use sansocket::{AcceptOptions, Config};

/// The settings of an endpoint: which requests are accepted, and the config of its connections.
///
/// Clones are cheap. Keep it in the state of the router, and extract a
/// [`WebSocketUpgrade<Endpoint>`](crate::WebSocketUpgrade). A state with several endpoints has a
/// type for each, with `AsRef<Endpoint>` and `FromRef`:
///
/// ```
/// use axum::extract::FromRef;
/// use axum::response::Response;
/// use sansocket_axum::{Endpoint, WebSocketUpgrade};
///
/// #[derive(Clone)]
/// struct App {
///     chat: Chat,
///     // ...
/// }
///
/// #[derive(Clone)]
/// struct Chat(Endpoint);
///
/// impl AsRef<Endpoint> for Chat {
///     fn as_ref(&self) -> &Endpoint {
///         &self.0
///     }
/// }
///
/// impl FromRef<App> for Chat {
///     fn from_ref(app: &App) -> Self {
///         app.chat.clone()
///     }
/// }
///
/// async fn chat(upgrade: WebSocketUpgrade<Chat>) -> Response {
///     upgrade.on_upgrade(async |mut ws| while let Ok(Some(_)) = ws.read().await {})
/// }
/// # let app = App { chat: Chat(Endpoint::new()) };
/// # let router = axum::Router::new().route("/chat", axum::routing::any(chat));
/// # drop(router.with_state::<()>(app));
/// ```
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Endpoint(Arc<Settings>);

#[derive(Clone, Debug, Default)]
struct Settings {
    options: AcceptOptions,
    /// `None`: the defaults of a server.
    config: Option<Config>,
}

impl Endpoint {
    /// Starts from [`AcceptOptions::new`] and the defaults of [`Config::server`].
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets which requests are accepted, and how: origins, subprotocols, compression, fields.
    pub fn options(mut self, options: AcceptOptions) -> Self {
        Arc::make_mut(&mut self.0).options = options;
        self
    }

    /// Sets the limits and timers of the connections.
    pub fn config(mut self, config: Config) -> Self {
        Arc::make_mut(&mut self.0).config = Some(config);
        self
    }

    pub(crate) fn accept_options(&self) -> &AcceptOptions {
        &self.0.options
    }

    /// The defaults are valid.
    pub(crate) fn connection_config(&self) -> Result<Config, ConfigError> {
        self.0.config.clone().map_or_else(|| Config::server().build(), Ok)
    }
}

impl AsRef<Self> for Endpoint {
    fn as_ref(&self) -> &Self {
        self
    }
}
