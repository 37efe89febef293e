(()=>{"use strict";const c="http://www.w3.org/2000/svg";function e(e,t,...n){return o(document.createElement(e),t,n)}function n(e,t,...n){return o(document.createElementNS(c,e),t,n)}function o(e,n,s){return t(e,n),e.append(...s.filter(e=>e!=null&&e!==!1)),e}function t(e,t){for(const[s,n]of Object.entries(t??{}))typeof n=="function"?e[s]=n:n==null||n===!1?e.removeAttribute(s):e.setAttribute(s,n===!0?"":n);return e}const l="--f:#0072b2;--g:#b34700;--p:#3d3d3d;--u:#7211d3;--e:#b00020;--ink:#1a1a1a;--muted:#5a5a5a;--frame:#d5d5d5;--page:#fafafa;--weak:.11",a="--f:#56b4e9;--g:#ff9c39;--p:#deff39;--u:#f4d4ef;--e:#ff8f9a;--ink:#f2f2f2;--muted:#bdbdbd;--frame:#555;--page:#212121;--weak:.2",r=`
:host{all:initial;display:block}
.figure{${l};--bg:var(--jp-layout-color1,var(--vscode-editor-background,var(--page)));
position:relative;max-width:max-content;min-width:min(100%,320px);margin:2px 0;
border:1px solid var(--frame);border-radius:8px;background:var(--bg);color:var(--ink);
font:13px/1.45 Helvetica,Arial,'Liberation Sans',sans-serif}
.figure.dark{${a};color-scheme:dark}
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
@media print{.bar>*{display:none}}`;function i(){const{dataset:t,className:n}=document.body,e=`${t.jpThemeLight} ${n}`;return!/^true|vscode-(high-contrast-)?light/.test(e)&&(/^false|vscode-(dark|high-contrast)/.test(e)||matchMedia(s).matches)}const s="(prefers-color-scheme:dark)";function d(e){const t=()=>e(i()),n=matchMedia(s),o=new MutationObserver(t);return o.observe(document.body,{attributeFilter:["data-jp-theme-light","class"]}),n.addEventListener("change",t),t(),()=>{o.disconnect(),n.removeEventListener("change",t)}}async function u({values:e,table:t,cells:n}){if(e)return e.map(Number);if(!t)return null;const s=Uint8Array.from(atob(n),e=>e.charCodeAt()),o=new Blob([s]).stream().pipeThrough(new DecompressionStream("deflate")),i=new Uint8Array(await new Response(o).arrayBuffer());return Array.from(i,e=>Number(t[e]))}const h=336,m=`
.stage{max-height:none;outline-offset:-2px}
.stage svg{text-anchor:start}
.stage>svg>text{fill:var(--ink)!important}
.stage>svg>[data-c=muted]{fill:var(--muted)!important}
.stage>svg>[data-c=bar]{fill:var(--muted)!important}
.stage>svg>[data-c=ground]{fill:none!important;stroke:none!important}
.stage image[data-tile],.stage [data-bar]{cursor:crosshair}
.stage>svg>[data-c=cut]{stroke:var(--bg)!important}
.stage text,.stage path{pointer-events:none}
.mark{fill:none;stroke:#fff;stroke-width:2;pointer-events:none;filter:drop-shadow(0 0 1.5px #000)}
.at{padding:0 20px 10px;min-height:2.2em;font-variant-numeric:tabular-nums}
.large{padding:0 20px 6px;display:flex;gap:8px;align-items:center;flex-wrap:wrap}
`;async function f(s,o){const{rows:a,columns:i,prefixes:E,block:M,axes:R}=o,L=s.attachShadow({mode:"open"}),_=p(s),F=await u(o),c=[..._.querySelectorAll("[data-tile]")],k=[..._.querySelectorAll("[data-bar]")],w=n("rect",{class:"mark"}),x=e("div",{class:"at",role:"status"}),l=e("div",{class:"large",hidden:!0}),N=s.querySelector("img")?.alt??"",T="Arrow keys move from element to element.",b=e("div",{class:"stage",tabindex:0,role:"group","aria-label":`${N}. ${T}`},_),S=e("div",{class:"figure"},b,l,x);let j=-1,y=!1;_.append(w),t(s,{"data-lm-suppress-shortcuts":"true"}),L.append(e("style",{},r+m),S),d(e=>S.classList.toggle("dark",e)),f(-1);function D(e){const o=k[e]??c[Math.floor(e/(a*i))],t=["x","y","width","height"].map(e=>Number(o.getAttribute(e)));if(k.length)return t;const[r,l,n,s]=t,[d,u]=[Math.floor(e%(a*i)/i),e%i];return[r+u*n/i,l+d*s/a,n/i,s/a]}function z(e){const[t,n]=[Math.floor(e%(a*i)/i),e%i],s=[t,n].map((e,t)=>g(e,M[t]));return[...E[Math.floor(e/(a*i))],...s].slice(-R||1/0).join(", ")}function f(e){if(j=e,t(w,{visibility:e<0?"hidden":"visible"}),e<0){x.textContent=c.length>1?"Point at a pixel, or use the arrow keys; a click or Enter enlarges a slice.":"Point at an element, or use the arrow keys.";return}const[n,s,o,i]=D(e);t(w,{x:n,y:s,width:o,height:i});const a=Math.max(...M)>1?"mean ":"";x.textContent=`[${z(e)}]  ${F?a+v(F[e]):""}`}function A(e){const t=e.composedPath()[0];if(t.dataset.bar)return Number(t.dataset.bar);const r=c.indexOf(t.closest("[data-tile]"));if(r<0)return-1;const n=t.getBoundingClientRect(),s=Math.floor((e.clientY-n.top)/n.height*a),o=Math.floor((e.clientX-n.left)/n.width*i),l=s>=0&&o>=0&&s<a&&o<i;return l?(r*a+s)*i+o:-1}function C(t){const m=c[t].getAttribute("href"),s=h/Math.max(a,i),[o,r]=[i*s,Math.max(a*s,12)],d=n("image",{href:m,width:o,height:r,preserveAspectRatio:"none",style:"image-rendering:pixelated"}),p=({clientX:e,clientY:n})=>{const s=d.getBoundingClientRect(),o=Math.min(a-1,Math.floor((n-s.top)/s.height*a)),r=Math.min(i-1,Math.floor((e-s.left)/s.width*i));f((t*a+o)*i+r)},u=(n,s)=>{const o=()=>{C((t+n+c.length)%c.length),l.querySelector(`[aria-label="${s}"]`).focus()};return e("button",{type:"button","aria-label":s,onclick:o},n<0?"‹":"›")},g=e("button",{type:"button",onclick:O},"close");l.hidden=!1,l.replaceChildren(n("svg",{width:o,height:r,onpointermove:p},d),...[u(-1,"slice before"),e("b",{},`[${E[t].join(", ")}]`),u(1,"next slice"),g])}function O(){l.hidden=!0,b.focus({preventScroll:!0})}l.onkeydown=e=>{if(e.key!=="Escape")return;e.stopPropagation(),O()},b.onpointermove=e=>{const t=A(e);(!y||t>=0)&&f(t),t>=0&&(y=!1)},b.onpointerleave=()=>{y||f(-1)},b.onclick=e=>{const t=A(e);y=t>=0,f(t),t>=0&&c.length>1&&C(Math.floor(t/(a*i)))},b.onkeydown=e=>{const t={ArrowLeft:-1,ArrowRight:1,ArrowUp:-i,ArrowDown:i}[e.key],n=Math.max(c.length,1)*a*i;if(t)f(j<0?0:Math.max(0,Math.min(n-1,j+t))),w.scrollIntoView({block:"nearest",inline:"nearest"});else if(e.key==="Enter"&&c.length>1&&j>=0)C(Math.floor(j/(a*i)));else if(e.key==="Escape")l.hidden?f(-1):O();else return;y=j>=0,e.preventDefault(),e.stopPropagation()}}function p(e){const{src:t}=e.querySelector("img"),n=decodeURIComponent(t.slice(t.indexOf(",")+1));return document.importNode((new DOMParser).parseFromString(n,"image/svg+xml").documentElement,!0)}const g=(e,t)=>t>1?`${e*t}:${(e+1)*t}`:e,v=e=>String(Number.isFinite(e)?Number(e.toPrecision(4)):e);return{main:f}})()
