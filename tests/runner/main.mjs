#!/usr/bin/env node
// Runs a workflow on this machine. Reads its settings as JSON from stdin, because they hold secrets: see run_workflow().
// Prints the masked log; writes the report to the file that the settings name. SIGINT cancels the run, as a user would.
// usage: node main.mjs <SETTINGS.json     exit 0 success, 1 failure or cancelled, 2 the workflow is wrong
import fs from 'node:fs';

import { run_workflow } from './workflow.mjs';

const settings = JSON.parse(fs.readFileSync(0, 'utf8'));
settings.stop = new AbortController();
process.on('SIGINT', () => settings.stop.abort());
try {
  const report = await run_workflow(settings, (line) => console.log(line));
  fs.writeFileSync(settings.report, JSON.stringify(report, null, 1));
  process.exitCode = report.result === 'success' ? 0 : 1;
} catch (error) {
  console.error(`error: ${error.message}`);
  process.exitCode = 2;
}
