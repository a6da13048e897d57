//! A template's bytecode, with the checks of [`super::meter`] put between its instructions.
//!
//! minijinja offers no place to look at the values that `~`, `+`, `*` or a list make, so the calls are added to the compiled template.

use minijinja::machinery::{
    CompiledTemplate, Instruction, Instructions, TemplateConfig, Token, WhitespaceConfig, tokenize,
};
use minijinja::{AutoEscape, Error, ErrorKind, Value};

/// Functions that a template does not know, since its names have no spaces.
pub(super) const CHECKED: &str = " checked";
pub(super) const STORABLE: &str = " storable";
pub(super) const WEIGHED: &str = " weighed";
pub(super) const TIMES: &str = " times";
pub(super) const SLICE: &str = " slice";
pub(super) const ITEM: &str = " item";
pub(super) const CYCLE: &str = " cycle";

/// Real templates have some ten thousand characters; the longest tag of one has about two hundred words and signs.
const SOURCE_MAX: usize = 1 << 20;
const TAG_MAX: usize = 1000;
/// Parsing and compiling recurse once per `elif`.
const ELIF_MAX: usize = 400;

fn refused(what: &str) -> Error {
    Error::new(ErrorKind::SyntaxError, what.to_owned())
}

/// Compiles a template.
///
/// # Errors
/// Mistakes in it; one so long that compiling it would exhaust the stack.
pub(super) fn compile(source: &'static str) -> Result<Instructions<'static>, Error> {
    // transformers: `ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols])`.
    let spaces = WhitespaceConfig { trim_blocks: true, lstrip_blocks: true, ..WhitespaceConfig::default() };
    check_length(source, spaces)?;
    let config = TemplateConfig {
        syntax_config: Default::default(),
        ws_config: spaces,
        default_auto_escape: std::sync::Arc::new(|_| AutoEscape::None),
    };
    let compiled = CompiledTemplate::new("chat", source, &config)?;
    if !compiled.blocks.is_empty() {
        return Err(refused("`block` has no meaning in a chat template"));
    }
    Ok(with_checks(&compiled.instructions))
}

fn check_length(source: &str, spaces: WhitespaceConfig) -> Result<(), Error> {
    if source.len() > SOURCE_MAX {
        return Err(refused("longer than 1 MiB"));
    }
    let (mut tag, mut elifs) = (0, 0);
    for token in tokenize(source, false, Default::default(), spaces) {
        // The parser says what is wrong with a token, and where.
        let Ok((token, _)) = token else { return Ok(()) };
        tag = if matches!(token, Token::VariableStart | Token::BlockStart | Token::TemplateData(_)) {
            0
        } else {
            tag + 1
        };
        elifs += usize::from(matches!(token, Token::Ident("elif")));
        if tag > TAG_MAX {
            return Err(refused("a tag of more than 1000 words and signs"));
        }
        if elifs > ELIF_MAX {
            return Err(refused("more than 400 `elif`"));
        }
    }
    Ok(())
}

/// The instructions with checks between them.
fn with_checks(old: &Instructions<'static>) -> Instructions<'static> {
    let mut new = Instructions::new(old.name(), old.source());
    // Where each of the old instructions has gone.
    let mut places = Vec::with_capacity(old.len() + 1);
    for at in 0..old.len() as u32 {
        places.push(new.len() as u32);
        let Some(instruction) = old.get(at) else { break };
        for instruction in checks_around(instruction, at.checked_sub(1).and_then(|before| old.get(before))) {
            match (old.get_span(at), old.get_line(at)) {
                (Some(span), _) => new.add_with_span(instruction, span),
                (None, Some(line)) => new.add_with_line(instruction, u16::try_from(line).unwrap_or(u16::MAX)),
                (None, None) => new.add(instruction),
            };
        }
    }
    places.push(new.len() as u32);
    for at in 0..new.len() as u32 {
        let target = match new.get_mut(at) {
            Some(
                Instruction::Jump(target)
                | Instruction::JumpIfFalse(target)
                | Instruction::JumpIfFalseOrPop(target)
                | Instruction::JumpIfTrueOrPop(target)
                | Instruction::Iterate(target)
                | Instruction::BuildMacro(_, target, _),
            ) => target,
            _ => continue,
        };
        *target = places[*target as usize];
    }
    new
}

/// What takes the place of an instruction; the one before it tells whether a key is a constant.
fn checks_around(
    instruction: &Instruction<'static>,
    before: Option<&Instruction<'static>>,
) -> Vec<Instruction<'static>> {
    use Instruction as I;
    let call = I::CallFunction;
    let constant = matches!(before, Some(I::LoadConst(value)) if value.kind() == minijinja::value::ValueKind::String);
    let own = instruction.clone();
    match instruction {
        // Through the formatter, which counts.
        I::EmitRaw(text) => vec![I::LoadConst(Value::from(*text)), I::Emit],
        I::StringConcat | I::Add | I::Pow | I::BuildList(_) | I::BuildMap(_) | I::EndCapture => {
            vec![own, call(CHECKED, Some(1))]
        }
        I::ApplyFilter(..) | I::CallFunction(..) | I::CallObject(_) => vec![own, call(CHECKED, Some(1))],
        I::CallMethod("cycle", count) => vec![call(CYCLE, *count)],
        I::CallMethod(..) => vec![own, call(CHECKED, Some(1))],
        // These look at both operands first, and give them back as a list.
        I::Mul => vec![call(TIMES, Some(2)), I::UnpackList(2), own, call(CHECKED, Some(1))],
        I::Slice => vec![call(SLICE, Some(4)), I::UnpackList(4), own, call(CHECKED, Some(1))],
        I::SetAttr(_) => vec![I::Swap, call(STORABLE, Some(1)), I::Swap, own],
        // The n-th character of a text is found by counting.
        I::GetItem if !constant => vec![call(ITEM, Some(2))],
        // Comparing takes as long as the second operand is.
        I::Eq | I::Ne | I::Gt | I::Gte | I::Lt | I::Lte if constant => vec![own],
        I::Eq | I::Ne | I::Gt | I::Gte | I::Lt | I::Lte | I::In | I::CompareAndPreserve(_) | I::UnpackLists(_) => {
            vec![I::DupTop, call(WEIGHED, Some(1)), I::DiscardTop, own]
        }
        _ => vec![own],
    }
}
