// `npx durable-object`: the command line. The bin imports it; there is nothing here for applications.
export { main } from "./main.ts";
