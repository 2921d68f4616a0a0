import { stringify } from "yaml";
import { customResourceDefinition, kinds } from "./crd.ts";
import { resourceReference } from "./reference.ts";

export interface GeneratedFile {
  /** From the repository's root. */
  readonly path: string;
  readonly content: string;
}

/** Every file that is generated from the schemas. */
export function generatedFiles(): GeneratedFile[] {
  return [
    ...kinds.map((kind) => ({
      path: `crds/heauth.io_${kind.plural}.yaml`,
      content: `# Generated from core/resources: npm run generate\n${stringify(customResourceDefinition(kind), {
        lineWidth: 0,
        aliasDuplicateObjects: false,
      })}`,
    })),
    { path: "docs/resources.md", content: resourceReference() },
  ];
}
