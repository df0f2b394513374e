"""The little that the theme in .streamlit/config.toml cannot say."""

from pathlib import Path

ICON = Path(__file__).parent / "assets" / "icon.svg"

STYLES = r"""
<style>
  .stMainBlockContainer { max-width: 84rem; padding: 4.5rem 2rem 4rem; }
  /* A page that draws itself again must not flicker; what is really stale says so in words. */
  [data-stale="true"] { opacity: 1 !important; transition: none !important; }
  [data-testid="stMetricValue"], [data-testid="stMetricDelta"] { font-variant-numeric: tabular-nums; }
  .st-key-trouble { border-color: #d32f2f !important; border-width: 2px !important; }
  .st-key-title h1 { padding: 0 0 0.25rem; }
  .st-key-title p { margin: 0; }
  [class*="st-key-card-"] { position: relative; }
  [class*="st-key-card-"] .stElementContainer:has(.stPageLink, .stMarkdown a[href^="#"]) {
    position: absolute; top: 0.6rem; right: 0.6rem; width: auto; z-index: 1;
  }
  [class*="st-key-card-"] .stPageLink a { padding: 0.25rem; min-height: 1.5rem; }
  [class*="st-key-card-"] .stPageLink p {
    position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%);
  }
  /* Where the keyboard is: WCAG 2.2, 2.4.7. */
  .stApp :is(a, button):focus-visible, .stApp :has(> input:focus-visible) {
    outline: 2px solid currentColor !important; outline-offset: 2px;
  }
  .stMain:focus-visible { outline: 2px solid currentColor; outline-offset: -2px; }
  /* The cards lead to the headings; a link beside each would be one more stop for the keyboard. */
  [data-testid="stHeaderActionElements"] { display: none; }
  [class*="st-key-card-"]:has(a) [data-testid="stMetricLabel"] { padding-right: 1.5rem; }
  /* The words of a way down are read aloud and not shown, as those of a page's link. */
  [class*="st-key-card-"] .stMarkdown a { display: block; padding: 0.25rem; color: inherit; font-size: 0; }
  [class*="st-key-card-"] .stMarkdown a [role="img"] { font-size: 1.25rem; }
  [class*="st-key-name-"] [data-testid="stText"] { font-family: inherit; font-weight: 600; font-size: 1.25rem; }
  .st-key-way [data-testid="stColumn"]:not(:first-child) { position: relative; }
  .st-key-way [data-testid="stColumn"]:not(:first-child)::before {
    content: "\2192"; position: absolute; left: -1.5rem; top: 1.7rem; font-size: 1.5rem; opacity: 0.6;
  }
  .st-key-way [data-testid="stVerticalBlock"] { gap: 0.25rem; }
  /* In its own size, which a phone scrolls sideways inside its box. */
  .st-key-task-graph { overflow-x: auto; }
  .st-key-task-graph img { width: auto !important; max-width: none !important; flex: none; border-radius: 0; }
  @media (max-width: 640px) {
    .st-key-way [data-testid="stColumn"]:not(:first-child)::before { content: "\2193"; left: 0; top: -2.4rem; }
    .st-key-kpis [data-testid="stMetricLabel"] * { white-space: normal; }
    .stMainBlockContainer { padding: 4rem 1rem 3rem; }
    /* What is compared stands in the control above; here there is no room for the words. */
    .st-key-kpis [data-testid="stMetricDeltaDescription"] { display: none; }
    .stButtonGroup [role="radiogroup"] { flex-wrap: wrap; }
    .st-key-kpis [data-testid="stColumn"] { min-width: calc(50% - 0.5rem); flex: 1 1 calc(50% - 0.5rem); }
  }
</style>
"""
