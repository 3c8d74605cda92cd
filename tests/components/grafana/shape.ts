// What a dashboard's JSON must be, by Grafana's own types. JSON has no enums: each becomes its value.
import type { Dashboard, Panel, RowPanel } from "@grafana/schema/dist/esm/raw/dashboard/x/dashboard_types.gen.d.ts";
import type * as lines from "@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen.d.ts";
import type * as stat from "@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen.d.ts";
import type * as table from "@grafana/schema/dist/esm/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen.d.ts";

type Json<T> = T extends string ? `${T}` : T extends object ? { [K in keyof T]: Json<T[K]> } : T;
type Fields = NonNullable<Json<Panel>["fieldConfig"]>;
type Of<Name extends string, Options, Custom> = Omit<Json<Panel>, "type" | "options" | "fieldConfig" | "targets"> & {
  type: Name;
  title: string;
  description: string;
  options: Json<Options>;
  fieldConfig: {
    defaults: Omit<Fields["defaults"], "custom"> & { custom?: Partial<Json<Custom>> };
    overrides: Fields["overrides"];
  };
  targets: Target[];
};
// Grafana's schema has no type of a Prometheus query: these are the fields that its editor writes.
type Target = {
  datasource: { type: "prometheus"; uid: string };
  expr: string;
  legendFormat: string;
  refId: string;
  instant: boolean;
  range: boolean;
  format?: "time_series" | "table" | "heatmap";
};
type Shown =
  | Of<"timeseries", lines.Options, lines.FieldConfig>
  | Of<"stat", stat.Options, {}>
  | Of<"table", table.Options, {}>
  | Json<RowPanel>;
type Annotation = Json<NonNullable<NonNullable<Dashboard["annotations"]>["list"]>[number]> & { expr: string };

export type Checked = Omit<Json<Dashboard>, "panels" | "annotations"> & {
  uid: string;
  title: string;
  panels: Shown[];
  annotations: { list: Annotation[] };
};
