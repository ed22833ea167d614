// Lists as CSV (RFC 4180): one row for each thing, with a row of names first. What a spreadsheet would take for a formula
// is made text, and what a terminal would obey is written out.

import { escapeUnit } from './send-answer.ts';

const commands = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]/g;
// Also behind spaces, and in the wide forms that spreadsheets take for the same.
const formula = /^\s*[=+\-@\uff1d\uff0b\uff0d\uff20|%]/u;

/** The lines of a table; `names` are the columns, in order. Lists and objects are written as JSON. */
export function writeCsv(names: readonly string[], items: readonly object[]): string {
  const rows = items.map((item) => {
    const fields = item as Readonly<Record<string, unknown>>; // read by the names of its own schema
    return names.map((name) => cell(fields[name])).join(',');
  });
  return [names.join(','), ...rows, ''].join('\r\n');
}

function cell(value: unknown): string {
  if (value === null || value === undefined) return '';
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return quoted(text.replaceAll(commands, escapeUnit));
}

function quoted(text: string): string {
  const safe = formula.test(text) ? `'${text}` : text;
  return /[",;'\s]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
