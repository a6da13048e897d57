// Asks this server. The key, where one is needed, is typed once and kept until the tab is closed.

const KEY = "trimtab-key";
const listeners = new Set();

class ApiError extends Error {
  constructor(status, body) {
    super(body?.error?.message ?? `the server answered ${status}`);
    Object.assign(this, { status, code: body?.error?.code, param: body?.error?.param });
  }
}

export const key = () => sessionStorage.getItem(KEY);

export function setKey(text) {
  if (text) sessionStorage.setItem(KEY, text);
  else sessionStorage.removeItem(KEY);
}

// Calls back whenever the server wants a key.
export const onKeyWanted = (listener) => listeners.add(listener);

async function ask(path, options = {}) {
  const headers = { ...options.headers };
  if (key()) headers.authorization = `Bearer ${key()}`;
  let response;
  try {
    response = await fetch(path, { ...options, headers, credentials: "omit", cache: "no-store" });
  } catch (e) {
    if (e.name === "AbortError") throw e;
    throw new Error("the server cannot be reached; is it still running?");
  }
  if (response.ok) return response;
  if (response.status === 401) listeners.forEach((listener) => listener());
  throw new ApiError(response.status, await response.json().catch(() => null));
}

const posted = (body, signal) => ({
  method: "POST",
  headers: { "content-type": "application/json" },
  body: JSON.stringify(body),
  signal,
});

export const getJson = async (path, signal) => (await ask(path, { signal })).json();
export const postJson = async (path, body, signal) => (await ask(path, posted(body, signal))).json();
export const remove = async (path, signal) => (await ask(path, { method: "DELETE", signal })).json();

// Server-sent events: `onEvent` is given each event's JSON, until [DONE]. A failure in the stream is thrown.
export async function stream(path, body, onEvent, signal) {
  const reader = (await ask(path, posted(body, signal))).body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) throw new Error("the answer broke off: the connection was lost");
    const events = (rest + value).split("\n\n");
    rest = events.pop();
    for (const event of events) {
      const data = event.split("\n").filter((line) => line.startsWith("data:")).map((line) => line.slice(5).trim());
      if (!data.length) continue;
      if (data.join("") === "[DONE]") return;
      const json = JSON.parse(data.join("\n"));
      if (json.error) throw new ApiError(200, json);
      onEvent(json);
    }
  }
}
