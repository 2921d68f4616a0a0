import type { SwaggerTransformObject } from "@fastify/swagger";
import { jsonSchemaTransformObject } from "fastify-type-provider-zod";

interface Document {
  components?: { schemas?: Record<string, unknown> };
  paths?: Record<string, Record<string, Operation>>;
}
type Schema = { type?: unknown; anyOf?: Schema[] };
interface Operation {
  requestBody?: { required?: boolean; content: Record<string, { schema: Schema }> };
}

/**
 * Puts the named schemas in, without the second copy that the type provider makes of each for input, and says of a body that may be
 * left out that it may: a schema can only say that it may be null.
 */
export const tidyDocument: SwaggerTransformObject = (input) => {
  const document = jsonSchemaTransformObject(input) as Document;
  const schemas = document.components?.schemas ?? {};
  const text = JSON.stringify(document.paths);
  for (const name of Object.keys(schemas)) {
    if (name.endsWith("Input") && !text.includes(`"#/components/schemas/${name}"`)) delete schemas[name];
  }
  for (const { requestBody } of Object.values(document.paths ?? {}).flatMap((path) => Object.values(path))) {
    if (requestBody === undefined) continue;
    for (const media of Object.values(requestBody.content)) {
      const [schema, ...others] = (media.schema.anyOf ?? []).filter(({ type }) => type !== "null");
      if (schema === undefined || others.length > 0) continue;
      media.schema = schema;
      requestBody.required = false;
    }
  }
  return document as ReturnType<SwaggerTransformObject>;
};
