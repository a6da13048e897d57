#!/usr/bin/env python3
"""Races the program against PyTorch (transformers, PEFT) and llama.cpp on the same work, in turns, and writes
bench.md and bench.json. `cargo xtask bench` makes the environment and calls it.

Every contestant runs in a process of its own. The program's rates are those of the whole command less the time of
the same command with next to nothing to do; a peer's rates leave loading out. A ratio is made within one round, so
that whatever else the machine does meets both; the table gives the median ratio and the smallest and the largest.
"""
import argparse
import http.client
import json
import os
import platform
import random
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

# What the rows are called in which the program holds weights in 8 bits.
IN_8_BITS = ", weights in 8 bits"

# Rows in which llama.cpp takes part, and what its weights are held in there.
ALONE, MANY = "135M, generate 1 x 128", "135M, generate 32 x 64"
LLAMA = {ALONE: ["f16", "bf16"], ALONE + IN_8_BITS: ["q8_0"]}

# What a contestant of the program does otherwise than the first one.
STEERED, ONE_LAYER = ", steered", ", the last layer alone"

PROJECTIONS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
WORDS = ("the ship left early and nobody on the shore could say where it went because fog had come over the water "
         "while old men counted boats again some were missing others had never been there at all").split()


def words(count, salt):
    return " ".join(WORDS[(salt * 7 + i * (1 + salt % 5)) % len(WORDS)] for i in range(count))


def common(count, salt):
    """Words that are one token each in every vocabulary."""
    known = "the of and to in that for on with from by as at an was it".split()
    return " ".join(random.Random(salt).choices(known, k=count))


def ids(count, salt):
    """Tokens that every vocabulary has."""
    return [200 + (salt * 131 + i * i * 17 + i * 29) % 1300 for i in range(count)]


# ------------------------------------------------------------------ contestants


class Clock:
    """How long the whole race may take: what would begin later is left out and told, what still runs half a minute later is ended."""
    ends = None

    @classmethod
    def over(cls):
        return cls.ends is not None and time.monotonic() > cls.ends

    @classmethod
    def timeout(cls):
        return None if cls.ends is None else max(cls.ends - time.monotonic(), 0) + 30


def run(command, **more):
    """Seconds of a command, and its output; its errors if it fails."""
    start = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more)
    try:
        out, err = child.communicate(timeout=Clock.timeout())
    except subprocess.TimeoutExpired:
        child.kill()
        child.communicate()
        raise RuntimeError("it was ended, for the time was up") from None
    if child.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))[:300]}\n{err[-1500:]}")
    return time.perf_counter() - start, out


def rate_of(tokens, seconds, least):
    """Tokens a second of a command, less the time of one that does next to nothing."""
    if seconds < 1.1 * least:
        raise RuntimeError(f"{seconds:.1f} s of work cannot be told from the {least:.1f} s of loading; the machine is busy")
    return tokens / (seconds - least)


class Program:
    """The program itself under one dtype; steered by vectors of so many layers and channels; projecting at some layers."""

    def __init__(self, args, model, dtype, steered=False, layers="all"):
        self.args, self.model, self.dtype, self.steered, self.layers = args, model, dtype, steered, layers
        self.name = f"trimtab {dtype}" + (STEERED if steered else "") + (ONE_LAYER if layers != "all" else "")

    def call(self, *more):
        command = [self.args.program, *map(str, more), "--device", self.args.device, "--dtype", self.dtype, "--offline", "-q"]
        return run(command)[0]

    def generate(self, folder, prompts, new):
        rows, out = folder / "prompts.jsonl", folder / "answers.jsonl"
        rows.write_text("".join(json.dumps({"id": str(i), "prompt_ids": p}) + "\n" for i, p in enumerate(prompts)))
        out.unlink(missing_ok=True)
        steering = ["--vectors", write_vectors(folder, *self.steered), "--coef", "0.01", "--layer", "all"] if self.steered else []
        seconds = self.call("generate", "--model", self.model, "--prompts", rows, "--out", out, "--greedy",
                            "--max-new-tokens", new, *steering)
        made = sum(len(json.loads(line)["token_ids"]) for line in out.read_text().splitlines())
        return seconds, made

    def rate(self, work):
        with tempfile.TemporaryDirectory() as folder:
            return getattr(self, "rate_" + work["kind"])(Path(folder), work)

    def rate_generate(self, folder, work):
        prompts = [ids(work["length"], i) for i in range(work["batch"])]
        least, _ = self.generate(folder, [ids(2, 0)], 1)
        seconds, made = self.generate(folder, prompts, work["new"])
        return rate_of(made, seconds, least)

    def rate_activations(self, folder, work):
        # Text: tokens are taken from a row only where they decode to its answer.
        halves = work["length"] // 2, work["length"] - work["length"] // 2
        prompts = [(common(halves[0], 2 * i), " " + common(halves[1], 2 * i + 1)) for i in range(work["batch"])]
        vectors = write_vectors(folder, work["layers"], work["hidden"])

        def project(texts, name):
            rows = folder / f"{name}.jsonl"
            rows.write_text("".join(json.dumps({"id": str(i), "prompt": prompt, "answer": answer}) + "\n"
                                    for i, (prompt, answer) in enumerate(texts)))
            return self.call("project", "--model", self.model, "--vectors", vectors, "--layer", self.layers, "--in", rows,
                             "--out", folder / f"{name}.out.jsonl")

        least = project([("the", " of")], "least")
        return rate_of(work["batch"] * work["length"], project(prompts, "all"), least)

    def rate_train(self, folder, work):
        data = folder / "train.jsonl"
        texts = work["steps"] * work["batch"]
        # A word is about a token and a quarter; how many were read stands in the run's own metrics.
        line = lambda i: json.dumps({"messages": [{"role": "user", "content": words(12, i)},
                                                  {"role": "assistant", "content": words(work["words"], i)}]})
        data.write_text("".join(line(i) + "\n" for i in range(texts)))
        config = folder / "train.toml"
        config.write_text(f'model = "{self.model}"\ntraining_file = "{data}"\nr = 32\nlora_alpha = 64\n'
                          f'per_device_train_batch_size = {work["batch"]}\ngradient_accumulation_steps = 1\n'
                          f'epochs = 1\nlogging_steps = 1\n')

        def steps(count):
            out = folder / f"run{count}"
            seconds = self.call("train", "--out", out, "--max-steps", count, config)
            return seconds, json.loads((out / "metrics.jsonl").read_text().splitlines()[-1])["tokens"]

        (least, few), (seconds, many) = steps(1), steps(work["steps"])
        return rate_of(many - few, seconds, least)


class Peer:
    """PyTorch, or llama.cpp, in a process of its own that reports seconds."""

    def __init__(self, args, model, kind, dtype):
        self.args, self.model, self.kind, self.dtype = args, model, kind, dtype
        self.name = f"{kind} {dtype}"

    def rate(self, work):
        peer = Path(__file__).with_name("peer.py")
        env = dict(os.environ, HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="false", PYTHONDONTWRITEBYTECODE="1",
                   OMP_NUM_THREADS=str(self.args.threads), MKL_NUM_THREADS=str(self.args.threads))
        command = [self.args.python, str(peer), json.dumps(
            {**work, "peer": self.kind, "dtype": self.dtype, "model": str(self.model), "threads": self.args.threads,
             "device": self.args.peer_device})]
        if self.args.peer_device == "cpu":
            env["CUDA_VISIBLE_DEVICES"] = ""
        return json.loads(run(command, env=env)[1].splitlines()[-1])["tokens_per_second"]


def write_vectors(folder, layers, hidden):
    """A file of persona vectors: one f32 tensor `[layers + 1, hidden]`, in safetensors' layout."""
    path = folder / "vectors.safetensors"
    values = [((i * 37) % 101 - 50) / 50 for i in range((layers + 1) * hidden)]
    import struct
    data = struct.pack(f"<{len(values)}f", *values)
    header = json.dumps({"response_avg": {"dtype": "F32", "shape": [layers + 1, hidden],
                                          "data_offsets": [0, len(data)]}}).encode()
    header += b" " * (-len(header) % 8)
    path.write_bytes(struct.pack("<Q", len(header)) + header + data)
    return path


# ------------------------------------------------------------------ a server and its clients


def serve(args, model, clients, requests, new):
    """First-token latency (seconds) and tokens a second of so many clients that ask one request after the other."""
    command = [args.program, "serve", "--model", str(model), "--port", "0", "--device", args.device, "--dtype", args.dtype,
               "--offline", "--json"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        port = None
        for line in server.stdout:
            found = re.search(r"127\.0\.0\.1:(\d+)", line)
            if found:
                port = int(found.group(1))
                break
        if port is None:
            raise RuntimeError("the server did not say where it listens")
        # What it says later must not fill the pipe.
        threading.Thread(target=lambda: [None for _ in server.stdout], daemon=True).start()
        firsts, tokens, failures = [], [], []

        def ask(salt):
            body = json.dumps({"prompt": ids(48, salt), "max_tokens": new, "temperature": 0, "stream": True,
                               "stream_options": {"include_usage": True}})
            start = time.perf_counter()
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1200)
            connection.request("POST", "/v1/completions", body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            if answer.status != 200:
                raise RuntimeError(answer.read()[:500])
            first, count = None, 0
            for line in answer:
                if not line.startswith(b"data: {"):
                    continue
                piece = json.loads(line[6:])
                if piece.get("choices") and piece["choices"][0].get("text") and first is None:
                    first = time.perf_counter() - start
                count = (piece.get("usage") or {}).get("completion_tokens", count)
            firsts.append(first if first is not None else time.perf_counter() - start)
            tokens.append(count)

        def client(number):
            try:
                for i in range(requests):
                    ask(number * 100 + i)
            except Exception as e:
                failures.append(str(e))

        ask(9999)
        firsts.clear(), tokens.clear()
        start = time.perf_counter()
        threads = [threading.Thread(target=client, args=(i,)) for i in range(clients)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
        seconds = time.perf_counter() - start
        if failures:
            raise RuntimeError(failures[0])
        firsts.sort()
        return {"clients": clients, "requests": len(tokens), "tokens_per_second": sum(tokens) / seconds,
                "first_token_median_s": statistics.median(firsts), "first_token_p95_s": firsts[int(0.95 * (len(firsts) - 1))]}
    finally:
        server.terminate()
        server.wait()


# ------------------------------------------------------------------ the table


def race(rows, rounds, notes):
    """Rates of every contestant in every row `(name, work, contestants)`, round after round; each row's ratios."""
    results = [{"name": name, "work": work, "rates": {one.name: [] for one in contestants}, "ratios": {}}
               for name, work, contestants in rows]
    for number in range(rounds):
        for (name, work, contestants), result in zip(rows, results):
            # Whoever comes first in one round comes last in the next.
            for one in contestants if number % 2 == 0 else contestants[::-1]:
                rate = None
                try:
                    if Clock.over():
                        raise RuntimeError(f"left out in round {number + 1}, for the time was up")
                    rate = one.rate(work)
                    print(f"{name}: {one.name}: {rate:.1f} tokens/s", file=sys.stderr, flush=True)
                except Exception as e:
                    notes.append(f"{name}: {one.name}: {str(e).strip().splitlines()[-1][:200] if str(e) else repr(e)}")
                    print(notes[-1], file=sys.stderr, flush=True)
                result["rates"][one.name].append(rate)
    for result in results:
        rates = result["rates"]
        first = next(iter(rates))
        plain = lambda who: who.startswith("trimtab") and not who.endswith((STEERED, ONE_LAYER))
        ours = {STEERED: lambda who: who == first + STEERED, ONE_LAYER: lambda who: who == first + ONE_LAYER,
                "torch": lambda who: who.startswith("torch"), "llama.cpp": lambda who: who.startswith("llama.cpp")}
        best = lambda which, i: max((r[i] for who, r in rates.items() if which(who) and r[i] is not None), default=None)
        for other, which in ours.items():
            both = [(best(plain, i), best(which, i)) for i in range(rounds)]
            ratios = [one / two for one, two in both if one and two]
            if ratios:
                result["ratios"][other] = {"median": statistics.median(ratios), "least": min(ratios), "most": max(ratios)}
    return results


def machine():
    model = "unknown"
    if Path("/proc/cpuinfo").exists():
        info = Path("/proc/cpuinfo").read_text()
        found = re.search(r"model name\s*: (.*)", info)
        model = found.group(1) if found else model
        flags = re.search(r"flags\s*: (.*)", info)
        wanted = ["avx2", "avx512f", "avx512_bf16", "avx512_vnni", "amx_bf16"]
        model += " (" + ", ".join(flag for flag in wanted if flags and flag in flags.group(1).split()) + ")"
    return {"processor": model, "cores": os.cpu_count(), "system": platform.platform(),
            "load_before": os.getloadavg()[0]}


def markdown(report):
    lines = ["# Benchmark", "", f"{report['machine']['processor']}, {report['machine']['cores']} cores, "
             f"{report['machine']['system']}; load before {report['machine']['load_before']:.1f}, after "
             f"{report['load_after']:.1f}; {report['rounds']} rounds; {report['program']}; {report['versions']}.", "",
             "Tokens a second: median of the rounds (least to most). Ratios are to a peer's best dtype in the same round.",
             "", "| work | contestant | tokens/s | of torch | of llama.cpp |", "|---|---|---|---|---|"]
    spread = lambda v: f"{statistics.median(v):.1f} ({min(v):.1f} to {max(v):.1f})" if v else "failed"
    for result in report["results"]:
        for i, (who, rates) in enumerate(result["rates"].items()):
            ratio = lambda peer: "{median:.2f} ({least:.2f} to {most:.2f})".format(**result["ratios"][peer]) \
                if i == 0 and peer in result["ratios"] else ""
            rates = [rate for rate in rates if rate is not None]
            lines.append(f"| {result['name'] if i == 0 else ''} | {who} | {spread(rates)} | {ratio('torch')} "
                         f"| {ratio('llama.cpp')} |")
    if report["serving"]:
        lines += ["", "A server, each client asking one request after the other (48 tokens, greedy):", "",
                  "| clients | requests | tokens/s | first token, median s | first token, 95 % s |", "|---|---|---|---|---|"]
        for row in report["serving"]:
            lines.append("| {clients} | {requests} | {tokens_per_second:.1f} | {first_token_median_s:.2f} "
                         "| {first_token_p95_s:.2f} |".format(**row))
    if report["on_gpu"]:
        lines += goals(report["results"])
    lines += [""] + [f"- {note}" for note in report["notes"]]
    return "\n".join(lines).rstrip() + "\n"


# What a GPU is to reach: its work, of which other rate the program's rate is a multiple, that multiple, and the words for it.
GOALS = [("train", "torch", 1.2, "of PyTorch and PEFT in training LoRA"),
         ("generate", "torch", 5.0, "of transformers in generation"),
         ("generate", STEERED, 1.02, "of steered generation; at most 1.02 where steering costs at most 2 %"),
         ("activations", ONE_LAYER, 0.97, "of projecting at one layer; at least 0.97 where all layers cost at most 3 % more")]


def goals(results):
    """Which goals are reached, row by row."""
    lines = ["", "| work | the program's rate is so many times that | median | goal | reached |", "|---|---|---|---|---|"]
    for result in results:
        for kind, other, bound, words in GOALS:
            if result["work"]["kind"] != kind:
                continue
            median = result["ratios"].get(other, {}).get("median")
            reached = "not measured" if median is None else \
                "yes" if (median <= bound if other == STEERED else median >= bound) else "no"
            sign = "at most" if other == STEERED else "at least"
            lines.append(f"| {result['name']} | {words} | {'' if median is None else f'{median:.2f}'} | {sign} {bound} | {reached} |")
    return lines


def gpu_works(args):
    """The rows of a GPU: its models are folders of random weights, named by what they are."""
    rows = []
    for model in args.shapes:
        config = json.loads((Path(model) / "config.json").read_text())
        size = {"layers": config["num_hidden_layers"], "hidden": config["hidden_size"]}
        name = f"{Path(model).name}, {size['layers']} blocks"
        # For a software device and a small model.
        train, answers, activations = ((2, 96, 64, 12), [(1, 16), (4, 16)], (16, 128)) if args.quick else \
            ((2, 252, 200, 12), [(1, 64), (64, 64)], (32, 250))
        batch, length, words, steps = train
        works = [(f"train LoRA r 32, {batch} x {length}",
                  {"kind": "train", "batch": batch, "length": length, "words": words, "steps": steps})]
        works += [(f"generate {batch} x {new}", {"kind": "generate", "batch": batch, "length": 8 if args.quick else 32, "new": new})
                  for batch, new in answers]
        works += [("activations {} x {}".format(*activations),
                   {"kind": "activations", "batch": activations[0], "length": activations[1]})]
        rows += [(f"{name}, {what}", {**work, **size}, model) for what, work in works]
    return rows


def works(args):
    """Each row of the table on a CPU: its name, its work and the model."""
    small = {"layers": 30, "hidden": 576}
    quick = args.quick
    many = {"kind": "generate", "batch": 8 if quick else 32, "length": 32, "new": 16 if quick else 64}
    alone = {"kind": "generate", "batch": 1, "length": 32, "new": 16 if quick else 128}
    rows = []
    if args.gguf:
        rows += [
            ("135M, train LoRA r 32, 2 x 252", {"kind": "train", "batch": 2, "length": 252, "words": 200,
                                                "steps": 4 if quick else 8}, args.gguf),
            (MANY, many, args.gguf),
            (MANY + IN_8_BITS, many, args.gguf),
            ("135M, activations 32 x 250", {"kind": "activations", "batch": 8 if quick else 32, "length": 250, **small},
             args.gguf),
            (ALONE, alone, args.gguf),
            (ALONE + IN_8_BITS, alone, args.gguf),
        ]
    if args.random and not quick:
        rows += [
            ("0.5B shape, train LoRA r 32, 2 x 252", {"kind": "train", "batch": 2, "length": 252, "words": 200,
                                                      "steps": 5}, args.random),
            ("0.5B shape, generate 8 x 64", {"kind": "generate", "batch": 8, "length": 32, "new": 64}, args.random),
        ]
    growth = []
    if args.gguf:
        for batch in (1, 8) if quick else (1, 2, 4, 8, 16, 32, 64):
            growth.append((f"135M, generate {batch} x 32, prompts of 64",
                           {"kind": "generate", "batch": batch, "length": 64, "new": 8 if quick else 32}, args.gguf))
        for length in (256,) if quick else (64, 128, 256, 512, 1024, 2048):
            growth.append((f"135M, generate 4 x 16, prompts of {length}",
                           {"kind": "generate", "batch": 4, "length": length - 16 if length == 2048 else length,
                            "new": 4 if quick else 16}, args.gguf))
    return rows + growth


def contestants(args, name, work, model, has_llama):
    """Who takes part in a row."""
    if args.shapes:
        # A GPU computes in its own best dtype; what steering costs is seen beside it.
        ours = [Program(args, model, "auto")]
        if work["kind"] == "generate":
            ours.append(Program(args, model, "auto", steered=(work["layers"], work["hidden"])))
        if work["kind"] == "activations":
            ours.append(Program(args, model, "auto", layers=str(work["layers"])))
    elif name.endswith(IN_8_BITS):
        ours = [Program(args, model, "q8")]
    else:
        dtypes = ["f32", "bf16"] if name == ALONE or not args.quick else ["auto"]
        ours = [Program(args, model, dtype) for dtype in dtypes]
    torch = ["float32", "bfloat16"] if args.peer_device == "cpu" else ["bfloat16"]
    peers = [Peer(args, model, "torch", dtype) for dtype in torch]
    if has_llama:
        peers += [Peer(args, held_in(args, model, dtype), "llama.cpp", dtype) for dtype in LLAMA.get(name, [])]
    return ours + peers


def held_in(args, model, dtype):
    """A GGUF file of the same weights in the dtype, made by llama.cpp itself."""
    made = Path(args.out) / f"{Path(model).stem}.{dtype}.gguf"
    if not made.exists():
        made.parent.mkdir(parents=True, exist_ok=True)
        program = "import ctypes, sys, llama_cpp as l; p = l.llama_model_quantize_default_params(); " \
                  "p.ftype = int(sys.argv[3]); p.allow_requantize = True; p.pure = True; " \
                  "sys.exit(l.llama_model_quantize(sys.argv[1].encode(), sys.argv[2].encode(), ctypes.byref(p)))"
        # llama.cpp's numbers for its file types.
        kind = {"f16": 1, "bf16": 32, "q8_0": 7}[dtype]
        part = made.with_suffix(".part")
        run([args.python, "-c", program, str(model), str(part), str(kind)])
        part.rename(made)
    return made


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--program", required=True, help="the program that is measured")
    ap.add_argument("--python", default=sys.executable, help="interpreter that has the peers")
    ap.add_argument("--gguf", help="GGUF file of SmolLM2-135M-Instruct")
    ap.add_argument("--random", help="folder of random weights in Qwen2.5-0.5B's shape")
    ap.add_argument("--device", default="cpu", help="the program's device")
    ap.add_argument("--peer-device", default="cpu", help="PyTorch's device")
    ap.add_argument("--shapes", nargs="*", default=[], help="folders of random weights for a GPU")
    ap.add_argument("--out", default=".", help="folder for bench.md and bench.json")
    ap.add_argument("--rounds", type=int, help="times that everybody runs [3; quick: 1]")
    ap.add_argument("--threads", type=int, default=os.cpu_count())
    ap.add_argument("--dtype", default="auto", help="the program's dtype while it serves")
    ap.add_argument("--only", default="", help="rows whose names contain this; `serve` alone for the server")
    ap.add_argument("--minutes", type=float, help="begin nothing more after so many minutes")
    ap.add_argument("--quick", action="store_true", help="less work, a few minutes")
    args = ap.parse_args()
    rounds = args.rounds or (1 if args.quick else 3)
    notes, rows, serving = [], [], []
    report = {"machine": machine(), "rounds": rounds, "program": run([args.program, "--version"])[1].strip()}
    probe = "import torch, transformers, peft; print('torch', torch.__version__, 'transformers', " \
            "transformers.__version__, 'peft', peft.__version__)"
    report["versions"] = run([args.python, "-c", probe])[1].strip()
    has_llama = subprocess.run([args.python, "-c", "import llama_cpp"], capture_output=True).returncode == 0
    if not has_llama:
        notes.append("llama.cpp is not there: its Python package could not be installed")
    for name, work, model in gpu_works(args) if args.shapes else works(args):
        if args.only and args.only not in name:
            continue
        try:
            rows.append((name, work, contestants(args, name, work, model, has_llama)))
        except RuntimeError as e:
            notes.append(f"{name}: {str(e).strip().splitlines()[-1][:200]}")
            print(notes[-1], file=sys.stderr, flush=True)
    # What came before is not the race, and its end must not cost the report.
    if args.minutes is not None:
        Clock.ends = time.monotonic() + 60 * args.minutes
    results = race(rows, rounds, notes)
    if args.gguf and (not args.only or args.only == "serve"):
        for clients in (1, 4) if args.quick else (1, 4, 16, 64):
            try:
                serving.append(serve(args, args.gguf, clients, 2, 16 if args.quick else 64))
                print(f"serve: {serving[-1]}", file=sys.stderr, flush=True)
            except Exception as e:
                notes.append(f"serve with {clients} clients failed: {str(e)[-300:]}")
                print(notes[-1], file=sys.stderr, flush=True)
    report.update(results=results, on_gpu=bool(args.shapes), serving=serving, notes=notes, load_after=os.getloadavg()[0])
    out = Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    (out / "bench.json").write_text(json.dumps(report, indent=1) + "\n")
    (out / "bench.md").write_text(markdown(report))
    print(markdown(report))


if __name__ == "__main__":
    main()
