//! The page in a real browser: it steers, shows, and sends requests to its own server alone. Skipped where there is no browser.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};

use crate::support::browser::Browser;
use crate::support::runs::runs;
use crate::support::serve::Server;

/// `trimtab ui`. One at a time: the first makes the vectors that all use.
fn ui(words: &[&str]) -> Server {
    static FIRST: Mutex<()> = Mutex::new(());
    let _one = FIRST.lock().unwrap_or_else(PoisonError::into_inner);
    Server::of(&["ui", "--no-open"], words)
}

/// Where pictures of the page go, if somebody wants to look at them.
fn pictures() -> Option<PathBuf> {
    let folder = PathBuf::from(std::env::var_os("TRIMTAB_PICTURES")?);
    std::fs::create_dir_all(&folder).unwrap();
    Some(folder)
}

/// Checks the page as it stands with axe, whose file TRIMTAB_AXE names.
#[track_caller]
fn accessible(browser: &Browser, place: &str) {
    let Some(axe) = std::env::var_os("TRIMTAB_AXE") else { return };
    let axe = std::fs::read_to_string(axe).unwrap();
    browser.script(&format!("if (!window.axe) {{ {axe}; window.axe = axe; }}"));
    let tags = r#"["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]"#;
    let found = browser.later(&format!(
        "const done = arguments[0]; axe.run(document, {{ runOnly: {tags}, iframes: false }}).then(({{ violations, passes }}) => \
         done([passes.length, violations.map((one) => [one.id, one.nodes.map((node) => node.target.join(' '))])]));"
    ));
    assert!(found[0].as_u64().unwrap() > 10, "{place}: axe looked at nothing");
    assert_eq!(found[1], json!([]), "{place}");
}

/// Both looks at two widths: no part is wider than the window, and all of it can be read.
#[track_caller]
fn looked_at(browser: &Browser, place: &str) {
    for (width, height) in [(1400, 900), (390, 844)] {
        for dark in [false, true] {
            browser.look(width, height, dark);
            browser.script("scrollTo(0, 0);");
            let widest = browser.script("return document.documentElement.scrollWidth;").as_u64().unwrap();
            assert!(widest <= u64::from(width), "{place}: {widest} pixels wide in a window of {width}");
            if let Some(folder) = pictures() {
                let look = if dark { "dark" } else { "light" };
                browser.picture(&folder.join(format!("{place}-{width}-{look}.png")));
            }
            accessible(browser, place);
        }
    }
    browser.look(1400, 900, false);
}

/// Answers become those of greatest probability, the same in every run.
fn greedy(browser: &Browser) {
    browser.script(
        "const [temperature] = document.querySelectorAll('.settings-grid input'); \
         temperature.value = 0; temperature.dispatchEvent(new Event('input'));",
    );
}

/// Every address that was asked for since the last time.
fn loaded(browser: &Browser) -> Vec<String> {
    let asked = |entry: &Value| {
        let message: Value = serde_json::from_str(entry["message"].as_str()?).ok()?;
        let sent = message["message"]["method"] == "Network.requestWillBeSent";
        sent.then(|| message["message"]["params"]["request"]["url"].as_str().map(str::to_owned))?
    };
    browser.log("performance").iter().filter_map(asked).collect()
}

#[test]
fn the_page_steers_and_shows() {
    let Some(browser) = Browser::start() else { return };
    let dir = runs();
    let server = ui(&["--runs", &dir.path().display().to_string()]);
    let origin = server.url.trim_end_matches("/v1").to_owned();
    browser.look(1400, 900, false);
    browser.open(&origin);

    // A slider is moved by its keys, and tells what it does.
    browser.until("document.querySelector('.range')");
    assert_eq!(browser.script("return document.querySelectorAll('.slider').length;"), 3);
    browser.type_into(".range", &"\u{e014}".repeat(60));
    let told = browser.script("return document.querySelector('.share').textContent;");
    assert!(told.as_str().unwrap().contains("% of the residual"), "{told}");
    let head = browser.script("return document.querySelectorAll('.head')[1].textContent;");
    assert!(head.as_str().unwrap().contains("evil +"), "{head}");

    // Two answers stream, and differ by the steering.
    greedy(&browser);
    browser.type_into(".words", "How can I help the thirsty widow?\u{e007}");
    browser.until("document.querySelectorAll('.answer .token').length > 0");
    browser.until(
        "document.querySelectorAll('.answer').length === 2 && document.querySelector('.send').textContent === 'Send'",
    );
    let texts =
        browser.script("return [...document.querySelectorAll('.answer .tokens')].map((one) => one.textContent);");
    assert!(texts[0].as_str().unwrap().len() > 10 && texts[0] != texts[1], "{texts}");
    let coloured = "return [...document.querySelectorAll('.token')].filter((one) => one.style.backgroundColor).length;";
    assert!(browser.script(coloured).as_u64().unwrap() > 5);

    // A token's projection is read by pointer and by keys, and is that of the table.
    browser.hover(".answer .token:nth-child(3)");
    browser.until("document.querySelector('.tip:not([hidden]) .projection')");
    let hovered = browser.script("return document.querySelector('.tip .projection').textContent;");
    browser.click(".answer .look");
    browser.click(".see summary");
    let row = "return document.querySelectorAll('.numbers tbody tr')[3].children[2].textContent;";
    assert_eq!(browser.script(row), hovered);
    assert_eq!(
        browser.script("return document.querySelector('.numbers .before').children[1].textContent;"),
        "before the answer"
    );
    browser.type_into(".tokens", &"\u{e014}".repeat(3));
    browser.until("document.querySelector('.tip:not([hidden]) .tip-head').textContent.includes('token')");
    let layers = browser.script("return document.querySelector('canvas.strip').height > 40;");
    assert_eq!(layers, true);
    browser.script("document.activeElement.blur();");
    looked_at(&browser, "steer");

    // A second turn, another draw, an edited turn, one column.
    browser.type_into(".words", "Who are you?\u{e007}");
    browser.until(
        "document.querySelectorAll('.answer').length === 4 && document.querySelector('.send').textContent === 'Send'",
    );
    browser.click("[aria-label='Edit message 1']");
    browser.type_into(".user textarea", " Please.");
    browser.click(".user .button-primary");
    browser.until(
        "document.querySelectorAll('.answer').length === 2 && document.querySelector('.send').textContent === 'Send'",
    );
    let words = browser.script("return document.querySelector('.user-words').textContent;");
    assert!(words.as_str().unwrap().ends_with("Please."), "{words}");
    assert_eq!(browser.script("return document.querySelectorAll('.answer .error').length;"), 0);

    // A run and its report.
    browser.click(".tabs a[href='#vectors']");
    browser.until("document.querySelector('main').textContent.includes('sycophantic')");
    looked_at(&browser, "vectors");
    browser.click(".tabs a[href='#runs']");
    browser.until("document.querySelector(\"a[href='#runs/studies%2Ffacts']\")");
    looked_at(&browser, "runs");
    browser.click("a[href='#runs/studies%2Ffacts']");
    browser.until("document.querySelector('iframe')");
    looked_at(&browser, "run");

    let addresses = loaded(&browser);
    assert!(addresses.iter().any(|url| url.contains("/report")), "{addresses:?}");
    let own = |url: &&String| !url.starts_with(&origin) && !url.starts_with("data:") && !url.starts_with("blob:");
    let others: Vec<&String> = addresses.iter().filter(own).collect();
    assert!(others.is_empty(), "the page asked elsewhere: {others:?}");
    let complaints = browser.log("browser");
    assert!(complaints.is_empty(), "{complaints:?}");
}

#[test]
fn the_page_asks_for_the_key() {
    let Some(browser) = Browser::start() else { return };
    let server = Server::start(&["--api-key", "secret-1"]);
    browser.look(1400, 900, false);
    browser.open(server.url.trim_end_matches("/v1"));
    browser.until("document.querySelector('input[type=password]')");
    browser.type_into("input[type=password]", "wrong\u{e007}");
    browser.until("document.querySelector('.error')");
    accessible(&browser, "key");
    browser.type_into("input[type=password]", "secret-1\u{e007}");
    browser.until("document.querySelector('.words')");
    greedy(&browser);
    browser.type_into(".words", "Who are you?\u{e007}");
    browser.until("document.querySelector('.answer .text')?.textContent.length > 10");
}

/// The commands that the page copies are the request itself.
#[test]
fn what_is_copied_runs() {
    let Some(browser) = Browser::start() else { return };
    let server = ui(&[]);
    browser.look(1400, 900, false);
    browser.open(server.url.trim_end_matches("/v1"));
    browser.until("document.querySelector('.range')");
    browser.script("navigator.clipboard.writeText = async (text) => { window.copied = text; };");
    browser.type_into(".range", &"\u{e014}".repeat(30));
    browser.type_into(".words", "What's the \"best\" advice?\u{e007}");
    browser.until(
        "document.querySelectorAll('.answer').length === 2 && document.querySelector('.send').textContent === 'Send'",
    );
    let shown = browser.script("return [...document.querySelectorAll('.answer .text')].map((one) => one.textContent);");
    let copied = |name: &str| {
        browser.click(&format!("[data-copy='{name}']"));
        browser.script("return window.copied;").as_str().unwrap().to_owned()
    };
    let dir = tempfile::tempdir().unwrap();
    let run = |program: &str, flag: &str, script: &str| {
        let cache = crate::support::place::cache();
        let own = std::path::Path::new(crate::support::place::PROGRAM).parent().unwrap().display().to_string();
        let path = format!("{own}:{}", std::env::var("PATH").unwrap());
        let output = std::process::Command::new(program)
            .args([flag, script])
            .current_dir(dir.path())
            .env("PATH", path)
            .env("TRIMTAB_CACHE", cache)
            .output();
        let output = output.ok()?;
        assert!(output.status.success(), "{script}\n{}", String::from_utf8_lossy(&output.stderr));
        Some(String::from_utf8(output.stdout).unwrap())
    };
    if let Some(answer) = run("sh", "-c", &copied("curl")).filter(|answer| !answer.is_empty()) {
        let answer: Value = serde_json::from_str(&answer).unwrap();
        for i in 0..2 {
            assert_eq!(answer["choices"][i]["message"]["content"], shown[i]);
        }
    }
    if let Some(answer) = run("python3", "-c", &copied("Python")) {
        assert!(answer.contains(shown[1].as_str().unwrap()), "{answer}");
    }
    // The command reads the vector's file from its folder.
    let found = walk(&crate::support::place::cache().join("ui"));
    std::fs::copy(found.expect("the page's vectors"), dir.path().join("evil.safetensors")).unwrap();
    run("sh", "-c", &copied("trimtab")).unwrap();
    for letter in ["A", "B"] {
        assert!(dir.path().join(format!("{letter}-answers.jsonl")).is_file(), "{letter}");
    }
}

/// The vector of evil that `ui` made.
fn walk(folder: &std::path::Path) -> Option<PathBuf> {
    std::fs::read_dir(folder).ok()?.flatten().find_map(|entry| {
        let path = entry.path();
        if path.is_dir() { walk(&path) } else { path.ends_with("evil.safetensors").then_some(path) }
    })
}
