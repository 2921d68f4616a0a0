const TABLE = /(?<=<!-- values -->\n)[\s\S]*?(?=<!-- \/values -->)/;
const LINE = /^(?<indent> *)(?<key>[\w.]+):(?: (?<value>.+))?$/;

interface Row {
  readonly path: string;
  readonly value: string;
  readonly about: string;
}

/**
 * The README with its table made from `values.yaml`: each key, its default, and the comment above it. What stands above keys, and isn't
 * divided from them by an empty line, is about the first of them.
 */
export function describeValues(readme: string, values: string): string {
  const rows = readRows(values).map(
    ({ path, value, about }) => `| \`${path}\` | ${value && `\`${value}\``} | ${about} |`,
  );
  const table = ["", "| value | default | |", "| --- | --- | --- |", ...rows, "", ""].join("\n");
  if (!TABLE.test(readme)) throw new Error("the chart's README has no place for the table of values");
  return readme.replace(TABLE, () => table);
}

function readRows(values: string): Row[] {
  const rows: Row[] = [];
  const above: string[] = [];
  let comment: string[] = [];
  for (const line of values.split("\n")) {
    if (line.trimStart().startsWith("#")) {
      comment.push(line.trim().replace(/^# ?/, ""));
      continue;
    }
    const { indent, key, value = "" } = LINE.exec(line)?.groups ?? {};
    if (indent !== undefined && key !== undefined) {
      above.length = indent.length / 2;
      above.push(key);
      const about = comment.join(" ").replaceAll("|", "\\|");
      // A group of which there is nothing to say shows in its keys' names.
      if (value !== "" || about !== "") rows.push({ path: above.join("."), value, about });
    } else if (line.trim() !== "") throw new Error(`values.yaml has a line that the table has no place for: ${line}`);
    comment = [];
  }
  return rows;
}
