// What the page asks, as commands for a terminal or a script.

// A word that a POSIX shell takes as it is.
const quoted = (text) => `'${String(text).replaceAll("'", "'\\''")}'`;

const KEY_HEADER = (key) => (key ? "    -H \"authorization: Bearer $TRIMTAB_KEY\" \\\n" : "");

export function curl(origin, body, key) {
  return `curl ${origin}/v1/compare \\\n${KEY_HEADER(key)}    -H 'content-type: application/json' \\\n    -d ${quoted(JSON.stringify(body))}\n`;
}

// JSON is read as text, so that true and null need no translation.
export function python(origin, body, key) {
  const raw = JSON.stringify(JSON.stringify(body, null, 1));
  const header = key ? ', "authorization": "Bearer " + os.environ["TRIMTAB_KEY"]' : "";
  return `import json${key ? ", os" : ""}, urllib.request

body = json.loads(${raw})
request = urllib.request.Request("${origin}/v1/compare", json.dumps(body).encode(),
                                 {"content-type": "application/json"${header}})
for choice in json.load(urllib.request.urlopen(request))["choices"]:
    print("ABCD"[choice["index"]], choice["message"]["content"], sep=": ")
`;
}

// One `trimtab generate` per variant, or `trimtab chat` where several vectors act. A vector is a file here, by its name.
export function command(model, body) {
  const lines = [];
  body.variants.forEach(({ steering = [], messages = body.messages }, i) => {
    const letter = "AB"[i];
    const row = JSON.stringify({ id: letter, messages });
    const sampling = [
      `--max-new-tokens ${body.max_tokens ?? 1024}`,
      body.temperature === 0 ? "--greedy" : `--temperature ${body.temperature ?? 1} --top-p ${body.top_p ?? 1}`,
      `--seed ${body.seed}`,
    ].join(" ");
    const end = `--prompts ${letter}.jsonl --out ${letter}-answers.jsonl`;
    if (steering.length > 1) {
      if (steering.some(({ op }) => op)) {
        lines.push(`# ${letter}: no single command ablates beside other steering; use curl`);
        return;
      }
      if (messages.some(({ role }) => role === "assistant")) lines.push("# chat gives its own answers to the earlier messages");
      const words = messages.filter(({ role }) => role === "user").map(({ content }) => content.replaceAll("\n", " "));
      const system = messages.find(({ role }) => role === "system");
      const steer = steering.map(({ vector, coef, layer }) => `--steer ${quoted(`${vector}=${coef}@${layer}`)}`).join(" ");
      const files = steering.map(({ vector }) => quoted(`${vector}=${vector}.safetensors`)).join(" ");
      const more = `${system ? ` --system ${quoted(system.content)}` : ""} --positions ${steering[0].positions}`;
      lines.push(`printf '%s\\n' ${words.map(quoted).join(" ")} | trimtab chat --model ${quoted(model)} --vectors ${files} \\\n    ${steer}${more} \\\n    ${sampling.replace("--greedy", "--temperature 0")}`);
      return;
    }
    lines.push(`printf '%s\\n' ${quoted(row)} > ${letter}.jsonl`);
    const flags = steering.map(
      ({ vector, coef, layer, positions, op }) =>
        `--vectors ${quoted(`${vector}.safetensors`)} --layer ${layer} --coef ${coef} --positions ${positions}${op ? ` --op ${op}` : ""} \\\n    `,
    );
    lines.push(`trimtab generate --model ${quoted(model)} ${flags.join("")}${end} \\\n    ${sampling}`);
  });
  return `${lines.join("\n")}\n`;
}
