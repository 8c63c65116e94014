/** `doctor`: looks at everything an application needs, from outside, and says what to do. It changes nothing. */

import type { Command } from "commander";
import type { StoreFinding } from "../ports/store-inspector.ts";
import { withStoreOptions, type WhichStore } from "./configuration.ts";
import { examine } from "./examination.ts";
import { exitCodes } from "./exit-code.ts";
import { withoutPasswords } from "./redaction.ts";
import type { Shell } from "./shell.ts";
import { countText } from "./table.ts";

export function addDoctor(program: Command, shell: Shell): void {
  const command = program
    .command("doctor")
    .description("look for what is wrong with the setup: Node, packages, configuration, store, alarms, transport")
    .action(async (which: WhichStore) => await report(shell, which));
  withStoreOptions(command);
}

async function report(shell: Shell, which: WhichStore): Promise<void> {
  const findings = (await examine(shell, which)).map((finding) => ({
    ...finding,
    message: withoutPasswords(finding.message),
    advice: finding.advice === null ? null : withoutPasswords(finding.advice),
  }));
  const count = (level: StoreFinding["level"]): number => findings.filter((finding) => finding.level === level).length;
  const [errors, warnings] = [count("error"), count("warning")];
  if (errors > 0) shell.exitCode = exitCodes.found;
  shell.result({ findings, errors, warnings }, () => {
    const width = Math.max(...findings.map(({ check }) => check.length));
    const lines = findings.map(({ check, level, message, advice }) => {
      const indent = " ".repeat(level.length > 5 ? 0 : 7 - level.length);
      const line = `${level}${indent}  ${check.padEnd(width)}  ${message}`;
      return advice === null ? line : `${line}\n${" ".repeat(9)}${" ".repeat(width)}  → ${advice}`;
    });
    const verdict =
      errors + warnings === 0
        ? "Nothing is wrong."
        : `${countText(errors, "error")}, ${countText(warnings, "warning")}.`;
    return [...lines, verdict].join("\n");
  });
}
