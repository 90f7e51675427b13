/** Line charts as SVG text, drawn by echarts without a browser. */
import { LineChart } from 'echarts/charts';
import { GridComponent, LegendComponent } from 'echarts/components';
import { init, use } from 'echarts/core';
import { SVGRenderer } from 'echarts/renderers';

use([LineChart, GridComponent, LegendComponent, SVGRenderer]);

export interface Series {
  name: string;
  points: readonly (readonly [number, number])[];
  /** Drawn pale, behind a smoothed series. */
  faint?: boolean;
}

export interface ChartOptions {
  xName: string;
  yName: string;
  yLog?: boolean;
  yMax?: number;
}

/** Readable on light and dark grounds alike. */
const palette = ['#3b82c4', '#d9772b', '#3f9d6b', '#a25bb5'];
const grey = '#8a8f98';

export function lineChart(series: readonly Series[], options: ChartOptions): string {
  const chart = init(null, null, { renderer: 'svg', ssr: true, width: 620, height: 300 });
  const axis = {
    nameTextStyle: { color: grey },
    axisLabel: { color: grey },
    splitLine: { lineStyle: { color: `${grey}33` } },
  };
  chart.setOption({
    animation: false,
    color: palette,
    legend: {
      top: 0,
      icon: 'roundRect',
      itemWidth: 14,
      itemHeight: 4,
      itemGap: 40,
      textStyle: { color: grey },
      data: series.filter(({ faint }) => !faint).map(({ name }) => name),
    },
    grid: { left: 56, right: 20, top: 36, bottom: 44 },
    xAxis: {
      ...axis,
      type: 'value',
      name: options.xName,
      nameLocation: 'middle',
      nameGap: 28,
      min: 'dataMin',
      max: 'dataMax',
    },
    yAxis: { ...axis, type: options.yLog ? 'log' : 'value', name: options.yName, max: options.yMax },
    series: series.map(({ name, points, faint }) => ({
      type: 'line',
      name: faint ? `${name} ` : name,
      data: points,
      showSymbol: points.length < 3,
      silent: true,
      lineStyle: faint ? { width: 1, opacity: 0.25, color: palette[0] } : { width: 2 },
      itemStyle: faint ? { color: palette[0] } : {},
      z: faint ? 1 : 2,
    })),
  });
  const svg = chart.renderToSVGString();
  chart.dispose(); // without this the process does not end
  return svg;
}

/** Trailing mean over a window, and at most `limit` of its points, evenly spread. */
export function smooth(points: readonly (readonly [number, number])[], window: number): [number, number][] {
  let total = 0;
  return points.map(([x, y], i) => {
    total += y - (i >= window ? (points[i - window]?.[1] ?? 0) : 0);
    return [x, total / Math.min(i + 1, window)];
  });
}

/** At most `limit` points, evenly spread, the last one always among them. */
export function thin<T>(points: readonly T[], limit = 600): T[] {
  const stride = Math.ceil(points.length / limit);
  return points.filter((_, i) => i % stride === 0 || i === points.length - 1);
}
