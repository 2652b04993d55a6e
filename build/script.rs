//! Modules of JavaScript: parsed, checked, and printed again without what only people read.

use anyhow::{anyhow, ensure};
use oxc_allocator::Allocator;
use oxc_codegen::{Codegen, CodegenOptions};
use oxc_diagnostics::OxcDiagnostic;
use oxc_mangler::{MangleOptions, Mangler};
use oxc_parser::Parser;
use oxc_semantic::SemanticBuilder;
use oxc_span::SourceType;

pub(crate) struct Module {
    pub(crate) code: String,
    /// The files it imports statically, in the order in which it does.
    pub(crate) imports: Vec<String>,
}

/// Without comments and white space, and with short names for what is the module's own. Statements stay what they are:
/// no cleverness that could be wrong.
pub(crate) fn minify(path: &str, source: &str) -> anyhow::Result<Module> {
    let allocator = Allocator::default();
    let parsed = Parser::new(&allocator, source, SourceType::mjs()).parse();
    refuse(path, source, &parsed.diagnostics)?;
    let program = parsed.program;
    // The parser leaves to it what needs scopes: names declared twice, or private ones declared nowhere.
    let analysed = SemanticBuilder::new()
        .with_check_syntax_error(true)
        .with_build_nodes(true)
        .with_class_table(true)
        .build(&program);
    refuse(path, source, &analysed.diagnostics)?;
    let mut semantic = analysed.semantic;
    let options = MangleOptions { top_level: Some(true), ..MangleOptions::default() };
    let private = Mangler::new().with_options(options).build_with_semantic(&mut semantic, &program);
    let code = Codegen::new()
        .with_options(CodegenOptions::minify())
        .with_scoping(Some(semantic.into_scoping()))
        .with_private_member_mappings(Some(private))
        .build(&program)
        .code;

    let requested = parsed.module_record.requested_modules;
    let mut imports: Vec<_> = requested.iter().map(|(from, places)| (places[0].span.start, from.as_str())).collect();
    imports.sort_unstable();
    let imports = imports.into_iter().map(|(at, from)| {
        let file = from.strip_prefix("./").filter(|file| !file.contains('/'));
        // Anything else would leave the folder whose name is the hash of all.
        file.map(str::to_owned)
            .ok_or_else(|| anyhow!("{}: not a file beside this one: {from}", place(path, source, at)))
    });
    Ok(Module { code, imports: imports.collect::<anyhow::Result<_>>()? })
}

fn refuse(path: &str, source: &str, problems: &[OxcDiagnostic]) -> anyhow::Result<()> {
    let lines = problems.iter().map(|problem| {
        let at = problem.labels.first().map_or(0, |label| label.offset());
        format!("{}: {}", place(path, source, at), problem.message)
    });
    let lines: Vec<String> = lines.collect();
    ensure!(lines.is_empty(), lines.join("\n"));
    Ok(())
}

fn place(path: &str, source: &str, offset: u32) -> String {
    let before = &source[..(offset as usize).min(source.len())];
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|&c| c != '\n').count() + 1;
    format!("{path}:{line}:{column}")
}
