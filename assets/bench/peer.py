#!/usr/bin/env python3
"""One piece of work of `bench.py`, done by PyTorch or llama.cpp: takes it as JSON, prints tokens a second.

Times are the median of whole units of work after one that is not measured; loading is left out.
"""
import json
import os
import statistics
import sys
import time

from bench import PROJECTIONS, ids


def measured(unit, repeats):
    unit()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        unit()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def load(work, torch):
    import transformers
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    model = work["model"]
    where = (os.path.dirname(model), {"gguf_file": os.path.basename(model)}) if model.endswith(".gguf") else (model, {})
    key = "dtype" if int(transformers.__version__.split(".")[0]) >= 5 else "torch_dtype"
    loaded = transformers.AutoModelForCausalLM.from_pretrained(where[0], **where[1],
                                                               **{key: getattr(torch, work["dtype"])})
    return loaded.to(getattr(torch, work["dtype"])).to(work["device"]).eval()


def tokens_of(work, torch):
    return torch.tensor([ids(work["length"], i) for i in range(work["batch"])], device=work["device"])


def finish(work, torch):
    """A GPU works on after it was asked."""
    if work["device"] != "cpu":
        torch.cuda.synchronize()


def generate(work, torch, model):
    from transformers import GenerationConfig
    # Nothing stops early, nothing is sampled.
    model.generation_config = GenerationConfig(do_sample=False, max_new_tokens=work["new"], eos_token_id=None,
                                               pad_token_id=0, use_cache=True)
    prompts = tokens_of(work, torch)
    mask = torch.ones_like(prompts)

    def unit():
        with torch.no_grad():
            assert model.generate(input_ids=prompts, attention_mask=mask).shape[1] == work["length"] + work["new"]
        finish(work, torch)

    return work["batch"] * work["new"] / measured(unit, 1)


def activations(work, torch, model):
    tokens = tokens_of(work, torch)
    cut, size = work["length"] // 2, 8

    def unit():
        with torch.no_grad():
            for part in tokens.split(size):
                states = model.model(input_ids=part, output_hidden_states=True, use_cache=False).hidden_states
                torch.stack([h[:, cut:].float().mean(1) for h in states])
        finish(work, torch)

    return tokens.numel() / measured(unit, 1)


def train(work, torch, model):
    from peft import LoraConfig, get_peft_model
    model = get_peft_model(model, LoraConfig(r=32, lora_alpha=64, use_rslora=True, lora_dropout=0.0, bias="none",
                                             task_type="CAUSAL_LM", target_modules=PROJECTIONS))
    model.train()
    learning = [p for p in model.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(learning, lr=1e-5, weight_decay=0.01)
    tokens = tokens_of(work, torch)
    labels = tokens.clone()
    labels[:, :20] = -100

    def unit():
        model(input_ids=tokens, labels=labels, use_cache=False).loss.backward()
        torch.nn.utils.clip_grad_norm_(learning, 1.0)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        finish(work, torch)

    return tokens.numel() / measured(unit, max(work["steps"] - 1, 1))


def llama(work):
    from llama_cpp import Llama
    model = Llama(work["model"], n_ctx=work["length"] + work["new"] + 8, n_threads=work["threads"], verbose=False,
                  logits_all=False)

    def unit():
        model.reset()
        tokens = ids(work["length"], 0)
        for made, token in enumerate(model.generate(tokens, temp=0.0)):
            if made + 1 == work["new"]:
                break

    return work["new"] / measured(unit, 2)


def main():
    work = json.loads(sys.argv[1])
    if work["peer"] == "llama.cpp":
        rate = llama(work)
    else:
        import torch
        import warnings
        warnings.filterwarnings("ignore")
        torch.set_num_threads(work["threads"])
        torch.manual_seed(0)
        rate = {"generate": generate, "activations": activations, "train": train}[work["kind"]](
            work, torch, load(work, torch))
    print(json.dumps({"tokens_per_second": rate}))


if __name__ == "__main__":
    main()
