//! The page: plain modules inside the program, served as they are. It asks only this server, and the browser holds it to that.

use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::api_error::ApiError;
use crate::record::hash_bytes;

/// Nothing is loaded from elsewhere, nothing inline runs, and no other page frames this one.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; \
     font-src 'self'; frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'",
);

struct File {
    name: &'static str,
    kind: &'static str,
    text: &'static str,
}

macro_rules! files {
    ($($name:literal: $kind:literal),* $(,)?) => {
        &[$(File { name: $name, kind: $kind, text: include_str!(concat!("page/", $name)) }),*]
    };
}

const FILES: &[File] = files! {
    "index.html": "text/html; charset=utf-8",
    "style.css": "text/css; charset=utf-8",
    "steer.css": "text/css; charset=utf-8",
    "runs.css": "text/css; charset=utf-8",
    "icon.svg": "image/svg+xml",
    "theme.js": "text/javascript; charset=utf-8",
    "app.js": "text/javascript; charset=utf-8",
    "api.js": "text/javascript; charset=utf-8",
    "dom.js": "text/javascript; charset=utf-8",
    "controls.js": "text/javascript; charset=utf-8",
    "commands.js": "text/javascript; charset=utf-8",
    "steer.js": "text/javascript; charset=utf-8",
    "see.js": "text/javascript; charset=utf-8",
    "vectors.js": "text/javascript; charset=utf-8",
    "runs.js": "text/javascript; charset=utf-8",
    "charts.js": "text/javascript; charset=utf-8",
};

/// Whether a path is the page's: it holds no data, so it is shown to those who have yet to type the key.
pub fn is_page(path: &str) -> bool {
    path == "/" || path.starts_with("/ui/")
}

/// `/` and the files that it names.
pub fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    let file = async |Path(name): Path<String>, headers: HeaderMap| answer(&name, &headers);
    Router::new()
        .route("/", get(async |headers: HeaderMap| answer("index.html", &headers)))
        .route("/ui/{name}", get(file))
}

/// A file; without its text for a browser that has it.
fn answer(name: &str, headers: &HeaderMap) -> Response {
    let Some(file) = FILES.iter().find(|file| file.name == name) else {
        let what = format!("the page has no file `{name}`");
        return ApiError::new(StatusCode::NOT_FOUND, what).into_response();
    };
    let tag = format!("\"{}\"", hash_bytes(file.text.as_bytes()).short());
    let known = headers.get(header::IF_NONE_MATCH).and_then(|tags| tags.to_str().ok());
    let known = known.is_some_and(|tags| tags.split(',').any(|known| known.trim().trim_start_matches("W/") == tag));
    let (status, text) = if known { (StatusCode::NOT_MODIFIED, "") } else { (StatusCode::OK, file.text) };
    let mut response = (status, text).into_response();
    let told = response.headers_mut();
    told.insert(header::CONTENT_TYPE, HeaderValue::from_static(file.kind));
    // A program of another version has other files: a browser asks whether its own are still right.
    told.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    told.insert(header::ETAG, HeaderValue::from_str(&tag).expect("a hash is ASCII"));
    told.insert(header::CONTENT_SECURITY_POLICY, POLICY);
    told.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    told.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_sent_once() {
        let first = answer("app.js", &HeaderMap::new());
        assert_eq!(first.status(), 200);
        assert_eq!(first.headers()[header::CONTENT_SECURITY_POLICY], POLICY);
        let tag = first.headers()[header::ETAG].clone();
        let again =
            |tags: String| answer("app.js", &HeaderMap::from_iter([(header::IF_NONE_MATCH, tags.parse().unwrap())]));
        assert_eq!(again(tag.to_str().unwrap().into()).status(), 304);
        assert_eq!(again(format!("\"other\", W/{}", tag.to_str().unwrap())).status(), 304);
        assert_eq!(again("\"other\"".into()).status(), 200);
        assert_eq!(answer("nothing.js", &HeaderMap::new()).status(), 404);
    }

    #[test]
    fn files_name_only_files_of_the_page_and_nothing_inline() {
        for file in FILES {
            for place in file.text.split("\"/ui/").skip(1).chain(file.text.split("from \"./").skip(1)) {
                let name = place.split('"').next().unwrap();
                assert!(FILES.iter().any(|file| file.name == name), "{} names {name}", file.name);
            }
            // Name spaces of XML are names, not places.
            let text = file.text.replace("http://www.w3.org/", "");
            assert!(!text.contains("http://") && !text.contains("https://"), "{} names a place elsewhere", file.name);
            if file.kind.starts_with("text/html") {
                for inline in ["<style", " style=", " onclick", "<script>", "javascript:"] {
                    assert!(!file.text.contains(inline), "{}: {inline}", file.name);
                }
            }
        }
    }
}
