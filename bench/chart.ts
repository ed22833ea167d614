// A small chart of the results: CPU of a request, ours beside the others, as bars (SVG). Each bar is a share of the
// longest of its group; programs more than ten times ours are cut, with their figure beside.

import type { Figure } from './measure.ts';

interface Bar {
  readonly name: string;
  readonly value: number;
}

const [rowHeight, labelWidth, barWidth] = [20, 130, 380];
const titles: Readonly<Record<string, string>> = {
  'CPU per request, HTTP/1.1 keep-alive, 32 connections': 'HTTP/1.1, µs of CPU per request',
  'CPU per request, HTTP/2, 8 connections of 16 streams': 'HTTP/2, µs of CPU per request',
  'CPU per new connection, host met before': 'new connection, µs of CPU',
};

/** The chart of the figures that it knows, as a whole document. */
export function drawBars(figures: readonly Figure[]): string {
  let y = 10;
  const drawn: string[] = [];
  for (const [what, title] of Object.entries(titles)) {
    const rows = figures.filter((figure) => figure.what === what);
    if (rows.length === 0) continue;
    const values = new Map<string, number>([['ours', rows[0]!.ours]]);
    for (const { name, value } of rows.flatMap(({ peers }) => peers)) values.set(name, value);
    const bars = [...values].map(([name, value]) => ({ name, value })).filter(({ value }) => value > 0);
    drawn.push(`<text x="0" y="${y + 12}" font-weight="bold">${title}</text>`);
    y += rowHeight;
    drawn.push(...drawGroup(bars, y));
    y += bars.length * rowHeight + 12;
  }
  const style = 'font: 12px sans-serif; fill: #444';
  return `<svg xmlns="http://www.w3.org/2000/svg" width="600" height="${y}" style="${style}">\n${drawn.join('\n')}\n</svg>\n`;
}

function drawGroup(bars: readonly Bar[], top: number): string[] {
  const most = Math.min(Math.max(...bars.map(({ value }) => value)), 10 * bars[0]!.value);
  return bars
    .toSorted((a, b) => a.value - b.value)
    .flatMap(({ name, value }, at) => {
      const y = top + at * rowHeight;
      const width = Math.max(1, Math.round((Math.min(value, most) / most) * barWidth));
      const fill = name === 'ours' ? '#2f7d4f' : '#9aa5b1';
      return [
        `<text x="0" y="${y + 13}">${name}</text>`,
        `<rect x="${labelWidth}" y="${y + 2}" width="${width}" height="14" fill="${fill}"/>`,
        `<text x="${labelWidth + width + 6}" y="${y + 13}">${value.toLocaleString('en-US')}</text>`,
      ];
    });
}
