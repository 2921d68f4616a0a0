/** An authoriser that allows everything: the most that Envoy's HTTP ext_authz can carry with a Node server behind it. */
import { createServer } from "node:http";

const [socket] = process.argv.slice(2);
createServer((_request, response) => response.writeHead(200).end()).listen(socket, () =>
  process.stdout.write("ready\n"),
);
