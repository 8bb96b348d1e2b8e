/** A person at the page of a running agent: sees the rate change and a sink go, follows with a filter, makes a dump and opens it. */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { join } from "node:path";
import { agentCommand } from "../peers/agent.ts";
import { Browser } from "../peers/browser.ts";
import { startCollector } from "../peers/collector.ts";
import { freePort } from "../peers/ports.ts";
import { RunningProgram, runProgram, waitFor } from "../peers/process.ts";
import { needs } from "../peers/skip.ts";

Deno.test({
  name: "the page of a running agent shows what passes, and its dump opens with agent open",
  ...needs("chromium"),
  fn: async () => {
    const folder = Deno.makeTempDirSync({ prefix: "page" });
    try {
      await using collector = await startCollector();
      const [input, config] = [join(folder, "in.log"), join(folder, "agent.yaml")];
      const port = freePort();
      const document = {
        state: join(folder, "state"),
        hostname: "router1",
        sources: { messages: { type: "file", include: [input] } },
        redact: { presets: ["secrets"] },
        sinks: { loghost: { type: "relp", target: "127.0.0.1", port: collector.port, resumeIntervalMax: "1s" } },
        status: { listen: `127.0.0.1:${port}` },
        dump: { deadline: "4s" },
      };
      Deno.writeTextFileSync(config, JSON.stringify(document));
      const { command, args } = agentCommand(["ship", "--config", config]);
      await using agent = RunningProgram.start(command, args, { name: "agent ship" });
      await agent.waitForOutput(/running: from/);
      await using browser = await Browser.open();
      const page = await browser.newPage({ downloads: folder });
      await page.open(`http://127.0.0.1:${port}/`);
      await page.waitUntil(`document.querySelector("h1").textContent.includes("All logs leave this machine")`);

      await page.evaluate(`document.querySelector("#tail-form [name=contains]").value = "TIMEOUT"`);
      await page.evaluate(`document.getElementById("tail-button").click()`);
      await page.waitUntil(`document.getElementById("tail-state").textContent.startsWith("Following")`);
      let count = 0;
      const write = (): void => {
        const lines = [`all is well ${count}`, `timeout ${count++} password=hunter2-secret`];
        Deno.writeTextFileSync(input, lines.join("\n") + "\n", { append: true });
      };
      await waitFor(async () => {
        write();
        return await page.evaluate<number>(`document.querySelectorAll("#tail .severity5").length`) > 2;
      }, "records in the tail");
      await page.waitUntil(`/[1-9]/.test(document.querySelector("#sources .rate").textContent)`);
      const shown = await page.evaluate<string>(`document.getElementById("tail").textContent`);
      match(shown, /timeout \d+ password=/);
      ok(!shown.includes("well") && !shown.includes("hunter2"), shown);

      await collector.kill();
      write();
      await page.waitUntil(`document.querySelector("h1").textContent.includes("No logs leave this machine")`);
      match(
        await page.evaluate<string>(`document.getElementById("troubles").textContent`),
        /Sink "loghost" is down.*: .*refused/s,
      );
      await collector.start();
      await page.waitUntil(`document.querySelector("h1").textContent.includes("All logs leave this machine")`);

      await page.evaluate(`document.getElementById("dump-button").click()`);
      await page.waitUntil(`document.getElementById("dump-link") !== null`, 40_000);
      await page.evaluate(`document.getElementById("dump-link").click()`);
      await waitFor(() => page.downloads.length > 0, "the download");
      const open = agentCommand(["open", join(folder, page.downloads[0]!), "--list"]);
      match((await runProgram(open.command, open.args)).stdout, /manifest\.json/);
      deepStrictEqual(page.complaints, []);
      strictEqual(page.requests.filter((url) => !url.startsWith(`http://127.0.0.1:${port}/`)).length, 0);
    } finally {
      Deno.removeSync(folder, { recursive: true });
    }
  },
});
