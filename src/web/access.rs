//! Who may ask: by which host names, from which web pages, with what kind of body, under which key.
//!
//! A browser sends a page's requests wherever the page wants, also to this machine, and a page's owner can give any address to
//! their own host name. `Origin` and `Host` tell both.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::api_error::ApiError;
use super::page::is_page;
use super::ticket::Tickets;
use crate::{At, Error, Result};

/// Seconds for which a browser may remember that a page is allowed.
const PREFLIGHT_SECONDS: u16 = 600;

/// The keys of which requests must carry one, as hashes: hashes are compared in constant time, and nothing prints a key.
#[derive(Debug, Clone)]
pub struct ApiKeys(Vec<blake3::Hash>);

impl FromStr for ApiKeys {
    type Err = Error;

    /// A key, or `@FILE` with a file of them, one a line; lines that begin with # are passed over.
    fn from_str(text: &str) -> Result<Self> {
        let keys = match text.strip_prefix('@') {
            Some(file) => std::fs::read_to_string(file).at(Path::new(file))?,
            None => text.to_owned(),
        };
        let keys = keys.lines().map(str::trim).filter(|key| !key.is_empty() && !key.starts_with('#'));
        let keys: Vec<&str> = keys.collect();
        if keys.is_empty() || !keys.iter().all(|key| key.bytes().all(|b| b.is_ascii_graphic())) {
            return Err(Error::new("a key is of visible ASCII characters, at least one"));
        }
        Ok(Self(keys.into_iter().map(|key| blake3::hash(key.as_bytes())).collect()))
    }
}

impl ApiKeys {
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The number of the key that was given. All are compared, each in the same time, so that time tells nothing of them.
    fn number(&self, given: &str) -> Option<usize> {
        let given = blake3::hash(given.as_bytes());
        let fits = |found, (i, key): (usize, &blake3::Hash)| if *key == given { Some(i) } else { found };
        self.0.iter().enumerate().fold(None, fits)
    }
}

/// Who asks: the number of their key, or 0 where there are no keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Client(pub usize);

/// Where a web page is from: `http://HOST[:PORT]` or `https://HOST[:PORT]`, or another scheme of a program's own.
#[derive(Debug, Clone, PartialEq)]
pub struct Origin(String);

impl FromStr for Origin {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let place = text.split_once("://").filter(|(scheme, place)| {
            !scheme.is_empty()
                && !place.is_empty()
                && place.bytes().all(|b| b.is_ascii_graphic() && !b"/?#*@".contains(&b))
        });
        match place {
            Some(_) => Ok(Self(text.to_ascii_lowercase())),
            None => Err(Error::new("an origin is SCHEME://HOST or SCHEME://HOST:PORT, as in http://localhost:3000")),
        }
    }
}

#[derive(Debug)]
pub struct Access {
    keys: Option<ApiKeys>,
    origins: Vec<Origin>,
    /// What `--host` says.
    host: String,
    /// Only programs on this machine reach the server.
    local: bool,
    pub tickets: Tickets,
}

impl Access {
    pub fn new(
        address: SocketAddr,
        host: &str,
        keys: Option<ApiKeys>,
        origins: Vec<Origin>,
        insecure: bool,
    ) -> Result<Self> {
        let local = address.ip().is_loopback();
        if !local && keys.is_none() && !insecure {
            return Err(Error::usage(format!("on {host} other machines reach the server, and there is no key"))
                .hint("give --api-key KEY, or leave out --host; --insecure lets everybody on the network ask"));
        }
        Ok(Self { keys, origins, host: host.to_owned(), local, tickets: Tickets::default() })
    }

    /// Refuses what comes under a strange host name or from a strange web page.
    fn check_sender(&self, request: &Request) -> Result<(), ApiError> {
        let headers = request.headers();
        let refused = |what: String, code| Err(ApiError::new(StatusCode::FORBIDDEN, what).code(code));
        let named = headers.get_all(header::HOST).iter().map(|host| host.to_str().unwrap_or("?"));
        let named = named.chain(request.uri().authority().map(|authority| authority.as_str()));
        if let Some(host) = named.filter(|_| self.local).find(|host| !self.is_own(host)) {
            return refused(format!("this server is not `{host}`"), "host_not_allowed");
        }
        match headers.get(header::ORIGIN) {
            Some(origin) if !self.is_allowed(origin) && !is_same(origin, headers) => {
                let origin = String::from_utf8_lossy(origin.as_bytes());
                let what = format!("pages of `{origin}` may not ask here; `serve --allow-origin {origin}` lets them");
                refused(what, "origin_not_allowed")
            }
            _ => Ok(()),
        }
    }

    /// Refuses a body of another kind, and a request without a key; says whose it is.
    fn check_request(&self, request: &Request) -> Result<Client, ApiError> {
        let headers = request.headers();
        let mut client = Client::default();
        if let Some(keys) = self.keys.as_ref().filter(|_| needs_key(request.uri().path())) {
            let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()?.split_once(' '));
            let given = given.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, key)| key.trim());
            let (path, query) = (request.uri().path(), request.uri().query().unwrap_or_default());
            if request.method() == Method::GET && self.tickets.open(path, query) {
                return Ok(client);
            }
            match given.and_then(|given| keys.number(given)) {
                Some(number) => client = Client(number),
                None => {
                    let what = match given {
                        Some(_) => "the API key is not this server's",
                        None => "the API key is missing: `Authorization: Bearer KEY`",
                    };
                    return Err(ApiError::new(StatusCode::UNAUTHORIZED, what).code("invalid_api_key"));
                }
            }
        }
        match headers.get(header::CONTENT_TYPE) {
            // A page may post other kinds without asking first.
            Some(kind) if request.method() == Method::POST && !is_json(kind) => {
                let kind = String::from_utf8_lossy(kind.as_bytes());
                let what = format!("the content type is `{kind}`; `application/json` is needed");
                Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, what).code("unsupported_content_type"))
            }
            _ => Ok(client),
        }
    }

    /// Whether `HOST[:PORT]` is a name of this machine for itself, or was allowed.
    fn is_own(&self, host: &str) -> bool {
        let name = match host.strip_prefix('[') {
            Some(address) => address.split(']').next().unwrap_or_default(),
            None => host.split(':').next().unwrap_or_default(),
        };
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        name == "localhost"
            || name.ends_with(".localhost")
            || name.parse().is_ok_and(|address: IpAddr| address.is_loopback())
            || name == self.host.to_ascii_lowercase()
            || self.origins.iter().any(|Origin(origin)| origin.split_once("://").is_some_and(|(_, own)| own == host))
    }

    fn is_allowed(&self, origin: &HeaderValue) -> bool {
        self.origins.iter().any(|allowed| origin.as_bytes().eq_ignore_ascii_case(allowed.0.as_bytes()))
    }
}

/// All but whether the server is up, and the page, into which the key is typed.
fn needs_key(path: &str) -> bool {
    path != "/health" && !is_page(path)
}

fn is_same(origin: &HeaderValue, headers: &HeaderMap) -> bool {
    let host = origin.as_bytes().strip_prefix(b"http://");
    host.is_some() && host == headers.get(header::HOST).map(HeaderValue::as_bytes)
}

fn is_json(kind: &HeaderValue) -> bool {
    let kind = kind.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/json")
}

/// Lets a request through that is allowed; answers a browser that asks for a page whether it would be.
pub async fn guarded(State(access): State<Arc<Access>>, mut request: Request, next: Next) -> Response {
    let headers = request.headers();
    let origin = headers.get(header::ORIGIN).filter(|origin| access.is_allowed(origin)).cloned();
    let preflight = request.method() == Method::OPTIONS && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = match access.check_sender(&request) {
        Err(refusal) => refusal.into_response(),
        Ok(()) if preflight && origin.is_some() => allowed(headers),
        Ok(()) => match access.check_request(&request) {
            Err(refusal) => refusal.into_response(),
            Ok(client) => {
                request.extensions_mut().insert(client);
                next.run(request).await
            }
        },
    };
    if let Some(origin) = origin {
        response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        response.headers_mut().append(header::VARY, HeaderValue::from_static("origin"));
    }
    response
}

/// What a browser is told before an allowed page may ask.
fn allowed(headers: &HeaderMap) -> Response {
    let usual = HeaderValue::from_static("authorization, content-type");
    let wanted = headers.get(header::ACCESS_CONTROL_REQUEST_HEADERS).cloned().unwrap_or(usual);
    let mut response = StatusCode::NO_CONTENT.into_response();
    let told = response.headers_mut();
    told.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST, DELETE"));
    told.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, wanted);
    told.insert(header::ACCESS_CONTROL_MAX_AGE, PREFLIGHT_SECONDS.into());
    // Chrome asks before a public page reaches a machine of a private network.
    if headers.contains_key("access-control-request-private-network") {
        told.insert("access-control-allow-private-network", HeaderValue::from_static("true"));
    }
    response
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn access(key: Option<&str>, origins: &[&str]) -> Access {
        let keys = key.map(|key| key.parse().unwrap());
        let origins = origins.iter().map(|origin| origin.parse().unwrap()).collect();
        Access::new("127.0.0.1:80".parse().unwrap(), "127.0.0.1", keys, origins, false).unwrap()
    }

    /// The status with which a request is refused; 200 if it is not.
    fn status(access: &Access, method: &str, path: &str, headers: &[(&str, &str)]) -> u16 {
        let request = axum::http::Request::builder().method(method).uri(path);
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let request = request.body(Body::empty()).unwrap();
        let checked = access.check_sender(&request).and_then(|()| access.check_request(&request));
        checked.map_or_else(|refusal| refusal.into_response().status().as_u16(), |_| 200)
    }

    #[test]
    fn a_strange_name_or_page_is_refused() {
        let access = access(None, &["http://localhost:3000"]);
        let of = |headers: &[(&str, &str)]| status(&access, "POST", "/v1/chat/completions", headers);
        for host in ["127.0.0.1:8080", "localhost", "LOCALHOST.:80", "[::1]:8080", "a.localhost", "127.3.2.1"] {
            assert_eq!(of(&[("host", host)]), 200, "{host}");
        }
        for host in
            ["evil.com", "evil.com:8080", "192.168.1.1", "localhost.evil.com", "127.0.0.1.evil.com", "", "[::2]"]
        {
            assert_eq!(of(&[("host", host)]), 403, "{host}");
        }
        assert_eq!(of(&[]), 200);
        assert_eq!(of(&[("host", "localhost"), ("host", "evil.com")]), 403);
        assert_eq!(status(&access, "GET", "http://evil.com/v1/models", &[("host", "localhost")]), 403);
        for (origin, want) in [
            ("http://evil.com", 403),
            ("null", 403),
            ("http://localhost:3001", 403),
            ("https://localhost:8080", 403),
            ("http://localhost:8080", 200),
            ("http://LOCALHOST:3000", 200),
        ] {
            assert_eq!(of(&[("host", "localhost:8080"), ("origin", origin)]), want, "{origin}");
        }
    }

    #[test]
    fn a_body_is_json() {
        let access = access(None, &[]);
        let of = |method: &str, kind: &str| status(&access, method, "/v1/chat/completions", &[("content-type", kind)]);
        assert_eq!(of("POST", "application/json"), 200);
        assert_eq!(of("POST", "Application/JSON; charset=utf-8"), 200);
        assert_eq!(of("GET", "text/plain"), 200);
        for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=a", "", "json"] {
            assert_eq!(of("POST", kind), 415, "{kind}");
        }
    }

    #[test]
    fn the_key_opens() {
        let access = access(Some("secret-1"), &[]);
        let of = |value: &str| status(&access, "GET", "/v1/models", &[("authorization", value)]);
        assert_eq!((of("Bearer secret-1"), of("bearer  secret-1")), (200, 200));
        for wrong in ["Bearer secret-", "Bearer secret-12", "Bearer", "secret-1", "Basic secret-1", "Bearer "] {
            assert_eq!(of(wrong), 401, "{wrong}");
        }
        assert_eq!(status(&access, "GET", "/v1/models", &[]), 401);
        for open in ["/health", "/", "/ui/app.js"] {
            assert_eq!(status(&access, "GET", open, &[]), 200, "{open}");
        }
        assert!(!format!("{access:?}").contains("secret-1"));
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "# of the lab\nsecret-1\n\nsecret-2\n").unwrap();
        let read: ApiKeys = format!("@{}", file.path().display()).parse().unwrap();
        assert_eq!((read.count(), read.number("secret-1"), read.number("secret-2")), (2, Some(0), Some(1)));
        assert_eq!((read.number("# of the lab"), read.number("")), (None, None));
        assert!("".parse::<ApiKeys>().is_err() && "a b".parse::<ApiKeys>().is_err());
    }

    #[test]
    fn other_machines_need_a_key() {
        let open = |keys, insecure| Access::new("0.0.0.0:80".parse().unwrap(), "0.0.0.0", keys, Vec::new(), insecure);
        assert!(open(None, false).unwrap_err().help().unwrap().contains("--api-key"));
        assert_eq!(status(&open(None, true).unwrap(), "GET", "/v1/models", &[("host", "gpu-7:8080")]), 200);
        let access = open(Some("secret".parse().unwrap()), false).unwrap();
        let key = ("authorization", "Bearer secret");
        assert_eq!(status(&access, "GET", "/v1/models", &[("host", "gpu-7:8080"), key]), 200);
        assert_eq!(status(&access, "GET", "/v1/models", &[("host", "gpu-7:8080")]), 401);
    }

    #[test]
    fn an_origin_names_no_path_and_no_pattern() {
        for good in ["http://localhost:3000", "https://a.example", "app://desk"] {
            assert!(good.parse::<Origin>().is_ok(), "{good}");
        }
        for bad in ["*", "localhost", "http://", "http://a/", "http://*.a", "null", "http://a b"] {
            assert!(bad.parse::<Origin>().is_err(), "{bad}");
        }
    }
}
