/* Colours and the style sheet.  The two palettes are those of dlgraph/draw/theme.py (a test compares
 * them): searched for so that the four roles stay apart under the three kinds of colour blindness.
 * Colour never stands alone: each role also has its own outline and line.  The page around (JupyterLab,
 * VS Code) gives the background.  Read next: index.js. */

const LIGHT =
  "--f:#0072b2;--g:#b34700;--p:#3d3d3d;--u:#7211d3;--e:#b00020;--ink:#1a1a1a;--muted:#5a5a5a;" +
  "--frame:#d5d5d5;--page:#fafafa;--weak:.11";
const DARK =
  "--f:#56b4e9;--g:#ff9c39;--p:#deff39;--u:#f4d4ef;--e:#ff8f9a;--ink:#f2f2f2;--muted:#bdbdbd;" +
  "--frame:#555;--page:#212121;--weak:.2";

/** The style sheet of every figure; `--c` is the colour of a role.
 *
 * Shadows lie along the edges of the stage, for scroll bars may hide until they are used.  What
 * covers them scrolls with the picture: they are seen only where there is more of it. */
export const FIGURE_STYLE = `
:host{all:initial;display:block}
.figure{${LIGHT};--bg:var(--jp-layout-color1,var(--vscode-editor-background,var(--page)));
position:relative;max-width:max-content;min-width:min(100%,320px);margin:2px 0;
border:1px solid var(--frame);border-radius:8px;background:var(--bg);color:var(--ink);
font:13px/1.45 Helvetica,Arial,'Liberation Sans',sans-serif}
.figure.dark{${DARK};color-scheme:dark}
*{box-sizing:border-box}
.bar,p{display:flex;flex-wrap:wrap;gap:4px}
.bar{padding:4px 6px 0}
.title{font-weight:bold;flex:auto;padding:3px 6px;overflow-wrap:anywhere}
button,select,input{font:inherit;color:inherit;background:var(--bg);border:1px solid var(--frame);
border-radius:5px;height:26px;padding:0 7px}
.bar button{border-color:transparent}
button[aria-pressed=true]{border-color:var(--f)}
button:hover,[aria-selected=true]{background:#8883}
:disabled{opacity:.45}
:focus-visible{outline:2px solid var(--f);outline-offset:1px}
.stage{overflow:auto;scrollbar-width:thin;max-height:1000px;position:relative;border-radius:8px;
--o:var(--bg) 14px,#0000 30px calc(100% - 30px),var(--bg) calc(100% - 14px);
--i:#888a,#0000 14px calc(100% - 14px),#888a;
background:linear-gradient(var(--o))local,linear-gradient(90deg,var(--o))local,
linear-gradient(var(--i)),linear-gradient(90deg,var(--i))}
.stage>*{display:block;margin:auto}
svg{font-size:12px;text-anchor:middle;fill:var(--ink);--c:var(--f)}
.small,.shapes{font-size:11px}
.label,.heading tspan{font-weight:bold}
.label,.heading{font-size:13px}
.muted,.shapes,dt{fill:var(--muted);color:var(--muted)}
.parameter,.constant,.badge{--c:var(--p)}
.backward,.gradient,.turn{--c:var(--g)}
.saved{--c:var(--muted)}
.o,.tip,tspan.c{fill:var(--c)}
.o,.way,.extra{stroke:var(--c);stroke-width:1.5}
.o{fill-opacity:var(--weak)}
.input>.o,.parameter>.o,.badge,.way,.extra,.ring{fill:none}
.parameter>*,.badge{stroke-width:1}
.backward>.o,.gradient>.way,.turn>.way{stroke-dasharray:5 3}
.saved>.way{stroke-dasharray:2 3}
.box{cursor:pointer;outline:0;pointer-events:all}
.box:hover>.o,.active>.o,.selected>.o,.active>.way,.selected>.way{stroke-width:3}
.box:focus>.ring{stroke:var(--ink);stroke-width:2}
.faint{opacity:.25}
.shapes text{text-anchor:start;stroke:var(--bg);stroke-width:3px;paint-order:stroke}
.over,.panel{border-top:1px solid var(--frame);padding:8px 14px;width:0;min-width:100%}
h4,dl,dd,p{margin:0 0 4px;overflow-wrap:anywhere}
dd{margin:0}
dl{display:grid;grid-template-columns:max-content 1fr;column-gap:14px}
.said{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
[hidden]{display:none!important}
@media(prefers-reduced-motion:no-preference){.box,.line{transition:opacity .15s}}
@media(forced-colors:active){[aria-pressed=true]{forced-color-adjust:none;
background:Highlight;color:HighlightText}}
@media print{.bar>*{display:none}}`;

/** Is the page dark?  JupyterLab and VS Code say so on the body, else the system is asked. */
export function isDark() {
  const { dataset, className } = document.body;
  const theme = `${dataset.jpThemeLight} ${className}`;
  if (/^true|vscode-(high-contrast-)?light/.test(theme)) return false;
  return /^false|vscode-(dark|high-contrast)/.test(theme) || matchMedia(SYSTEM).matches;
}

const SYSTEM = "(prefers-color-scheme:dark)";

/** Call `changed(dark)` now and whenever the theme changes; returns a function that ends it. */
export function watchTheme(changed) {
  const tell = () => changed(isDark());
  const system = matchMedia(SYSTEM);
  const observer = new MutationObserver(tell);
  observer.observe(document.body, { attributeFilter: ["data-jp-theme-light", "class"] });
  system.addEventListener("change", tell);
  tell();
  return () => {
    observer.disconnect();
    system.removeEventListener("change", tell);
  };
}
