// @ts-check
// Runs before the first paint, so that a chosen theme does not flash. Absent = as the system says.
try {
  const theme = localStorage.getItem('rollcall.theme');
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
} catch { /* Storage may be forbidden, the page works without it. */ }
