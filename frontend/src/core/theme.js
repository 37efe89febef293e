/* Colours and the style sheet.  The two palettes are those of dlgraph/draw/theme.py (a test compares
 * them): searched for so that the four roles stay apart under the three kinds of colour blindness.
 * Colour never stands alone: each role also has its own outline and line.  Read next: index.js. */

const LIGHT =
  "--f:#0072b2;--ff:#e3f0f8;--g:#b34700;--gf:#fbeee4;--p:#3d3d3d;--pf:#ececec;--u:#7211d3;" +
  "--uf:#f3e9fc;--e:#b00020;--ef:#fdeaec;" +
  "--bg:var(--jp-layout-color1,var(--vscode-editor-background,#fafafa));--card:#fff;" +
  "--ink:#1a1a1a;--muted:#5a5a5a;--frame:#d5d5d5;--hover:#0000000f";

const DARK =
  "--f:#56b4e9;--ff:#10303f;--g:#ff9c39;--gf:#3d2711;--p:#deff39;--pf:#33371f;--u:#f4d4ef;" +
  "--uf:#402a3e;--e:#ff8f9a;--ef:#45181d;" +
  "--bg:var(--jp-layout-color1,var(--vscode-editor-background,#212121));--card:#171717;" +
  "--ink:#f2f2f2;--muted:#bdbdbd;--frame:#555;--hover:#ffffff1f";

export const FONT = "Helvetica,Arial,'Liberation Sans',Roboto,'DejaVu Sans',sans-serif";

/* What belongs to the drawing itself, and so into a saved file as well. */
export const DRAWING = `
svg{display:block;font:12px ${FONT};text-anchor:middle;fill:var(--ink)}
.small{font-size:11px}
.label{font-size:13px;font-weight:bold}
.heading{font-size:13px}.heading tspan{font-weight:bold}
tspan.f{fill:var(--f)}tspan.b{fill:var(--g)}
.muted{fill:var(--muted);font-style:italic}
.o{fill:var(--ff);stroke:var(--f);stroke-width:1.5}
.input .o{fill:var(--card)}
.parameter .o,.constant .o,.badge{fill:var(--card);stroke:var(--p);stroke-width:1}
.constant .o{fill:var(--pf)}
.backward .o{fill:var(--gf);stroke:var(--g);stroke-dasharray:5 3}
.update .o{fill:var(--uf);stroke:var(--u)}
.failed .o{fill:var(--ef);stroke:var(--e);stroke-width:2.5}
.group .o{stroke-width:2.5}
.frame .o{fill:none;stroke:var(--muted);stroke-dasharray:2 3;stroke-width:1}
.extra{fill:none;stroke:var(--f);stroke-width:.75}
.way{fill:none;stroke:var(--f);stroke-width:1.5}
.tip{fill:var(--f)}
.line.parameter .way{stroke:var(--p);stroke-width:1}.line.parameter .tip{fill:var(--p)}
.gradient .way,.turn .way{stroke:var(--g);stroke-dasharray:5 3}.gradient .tip,.turn .tip{fill:var(--g)}
.line.update .way{stroke:var(--u);stroke-dasharray:2 3}.line.update .tip{fill:var(--u)}
.line.saved .way{stroke:var(--muted);stroke-dasharray:1 3}.line.saved .tip{fill:var(--muted)}
.line.failed .way{stroke:var(--e);stroke-width:3;stroke-dasharray:8 4}.line.failed .tip{fill:var(--e)}
.ring,.wide{fill:none;stroke:none}
.dim{opacity:.28}
.active .o,.selected .o{stroke-width:3}
.active .way{stroke-width:3.5}
.shapes text{font-size:11px;fill:var(--muted);stroke:var(--bg);stroke-width:3px;paint-order:stroke}
`;

/* What belongs to the figure around it. */
const FIGURE = `
:host{all:initial;display:block;color-scheme:light dark}
.figure{${LIGHT};box-sizing:border-box;position:relative;max-width:max-content;min-width:min(100%,320px);
margin:2px 0;border:1px solid var(--frame);border-radius:8px;background:var(--bg);color:var(--ink);
font:13px/1.45 ${FONT}}
.figure.dark{${DARK}}
.figure *{box-sizing:border-box}
.bar{display:flex;flex-wrap:wrap;gap:2px;align-items:center;padding:4px 6px 0;min-height:32px}
.title{font-weight:bold;flex:1;padding:0 6px;min-width:40px;overflow-wrap:anywhere}
button,select,input{font:inherit;color:inherit;background:none;border:1px solid transparent;border-radius:5px;
height:26px;padding:0 6px;margin:0}
button{cursor:pointer;min-width:26px}
button svg{width:16px;height:16px;fill:none;stroke:currentColor;stroke-width:1.6;margin:auto}
button:hover,select:hover{background:var(--hover)}
button[aria-pressed=true]{border-color:var(--f);background:var(--hover)}
button:disabled{opacity:.45;cursor:default}
select,input,.panel button{border-color:var(--frame)}select{background:var(--bg)}
input{width:15em;max-width:100%}
.stage{overflow:auto;max-height:680px;outline:0;padding:2px 0;touch-action:pan-x pan-y}
.stage>svg,.stage>canvas{margin:0 auto}
.box{cursor:pointer;outline:0}
.box:hover .o{stroke-width:2.5}
.box:focus .ring{stroke:var(--ink);stroke-width:2}
.wide{stroke:transparent;stroke-width:10}
.legend{display:flex;flex-wrap:wrap;gap:4px 16px;justify-content:center;padding:2px 12px 8px;
color:var(--muted);font-size:11px}
.legend span{display:inline-flex;align-items:center;gap:5px}
.panel{border-top:1px solid var(--frame);padding:8px 14px 10px;max-width:100%;width:0;min-width:100%}
.panel h4{margin:0 0 4px;font-size:14px;overflow-wrap:anywhere}
.panel dl{display:grid;grid-template-columns:max-content 1fr;gap:1px 14px;margin:0}
.panel dt{color:var(--muted)}
.panel dd{margin:0;overflow-wrap:anywhere;font-variant-numeric:tabular-nums}
.panel code{font-family:ui-monospace,Menlo,Consolas,'DejaVu Sans Mono',monospace;font-size:12px}
.panel p{margin:6px 0 0;display:flex;gap:4px;flex-wrap:wrap}
.find,.help{position:absolute;z-index:2;right:6px;top:34px;max-width:calc(100% - 12px);background:var(--bg);
border:1px solid var(--frame);border-radius:6px;padding:6px 8px;box-shadow:0 2px 8px #0004}
.find ul{list-style:none;margin:4px 0 0;padding:0;max-height:220px;overflow:auto}
.find li{padding:2px 6px;border-radius:4px;cursor:pointer}
.find li[aria-selected=true]{background:var(--hover);box-shadow:inset 2px 0 var(--f)}
.help table{border-spacing:10px 2px;font-size:12px}
.said,.table{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
button:focus-visible,select:focus-visible,input:focus-visible,li:focus-visible{outline:2px solid var(--f);outline-offset:1px}
.caption:empty,[hidden]{display:none!important}
@media(prefers-reduced-motion:no-preference){.o,.way,.box,.line{transition:opacity .15s,stroke-width .15s}}
@media print{.bar button,.bar select{display:none}.stage{max-height:none}}
@media(forced-colors:active){.o,.way{forced-color-adjust:none}}
`;

export const STYLE = FIGURE + DRAWING;

/** Is the page dark?  JupyterLab and VS Code say so on the body, else the system is asked. */
export function isDark() {
  const { dataset, classList } = document.body;
  const lab = dataset.jpThemeLight;
  if (lab) return lab === "false";
  if (classList.contains("vscode-light") || classList.contains("vscode-high-contrast-light")) {
    return false;
  }
  if (classList.contains("vscode-dark") || classList.contains("vscode-high-contrast")) return true;
  return matchMedia("(prefers-color-scheme: dark)").matches;
}

/** Call `changed(dark)` now and whenever the theme changes; returns a function that ends it. */
export function watchTheme(changed) {
  const tell = () => changed(isDark());
  const system = matchMedia("(prefers-color-scheme: dark)");
  const observer = new MutationObserver(tell);
  observer.observe(document.body, {
    attributeFilter: ["data-jp-theme-light", "class"],
  });
  system.addEventListener("change", tell);
  tell();
  return () => {
    observer.disconnect();
    system.removeEventListener("change", tell);
  };
}
