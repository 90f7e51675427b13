import Table from 'cli-table3';
import { type NetworkPlan, type NetworkSummary, summary } from '../models/index.ts';

const number = (value: number): string => value.toLocaleString('en-GB');

/** `34.6 MFLOP`, `0.89 GFLOP`: three significant digits. */
export function formatFlops(flops: number): string {
  const units = ['', 'k', 'M', 'G', 'T'];
  const power = flops < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(flops) / 3));
  return `${Number((flops / 1000 ** power).toPrecision(3))} ${units[power]}FLOP`;
}

function body(network: NetworkSummary): string {
  const table = new Table({
    head: ['layer', 'kind', 'output', 'parameters', 'forward'],
    colAligns: ['left', 'left', 'left', 'right', 'right'],
    style: { head: [], border: [], compact: true },
  });
  for (const layer of network.layers) {
    table.push([
      layer.name,
      layer.kind,
      layer.outputShape.join('×'),
      layer.parameters > 0 ? number(layer.parameters) : '',
      layer.flops > 0 ? formatFlops(layer.flops) : '',
    ]);
  }
  return table.toString();
}

/** The table of one network and its totals, for one picture. */
export function formatSummary(title: string, plan: NetworkPlan): string {
  const network = summary(plan);
  return [
    `${title}, input ${network.input.join('×')}`,
    body(network),
    `${number(network.parameters)} parameters (${number(Math.round((network.parameters * 4) / 2 ** 20))} MiB), ` +
      `${formatFlops(network.flops)} forward and ${(network.activationBytes / 2 ** 20).toFixed(1)} MiB of activations per picture`,
  ].join('\n');
}
