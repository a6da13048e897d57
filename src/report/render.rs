//! A study's files.

use std::path::{Path, PathBuf};

use super::html;
use super::page::Page;
use super::study::Study;
use crate::{At, Result};

impl Study {
    /// The study as one page.
    pub fn page(&self) -> Page {
        Page {
            title: self.title.clone(),
            subtitle: self.subtitle.clone(),
            verdict: self.verdict.clone(),
            parts: html::parts(self),
            settings: self.settings.clone(),
            lock: self.lock.clone(),
            beside: ["results.csv", "results.json"].map(str::to_owned).to_vec(),
        }
    }

    /// Writes `report.html`, `<figure>.png`, `.svg` and `.csv`, a CSV for each grid, `comparisons.csv`, `results.csv` and
    /// `results.json` into a folder, each atomically. Returns their paths, the page first.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn render(&self, dir: &Path) -> Result<Vec<PathBuf>> {
        let figures = self.figures.iter().map(|figure| (&figure.file, figure.numbers()));
        let grids = self.grids.iter().map(|grid| (&grid.file, grid.table()));
        let csv = |(file, table): (&String, super::Table)| (format!("{file}.csv"), table.csv().into_bytes());
        let mut files: Vec<(String, Vec<u8>)> = figures.chain(grids).map(csv).collect();
        if !self.comparisons.is_empty() {
            files.push(("comparisons.csv".to_owned(), self.differences().csv().into_bytes()));
        }
        files.push(("results.csv".to_owned(), self.results().csv().into_bytes()));
        let mut json = serde_json::to_vec_pretty(self).doing("writing the results as JSON")?;
        json.push(b'\n');
        files.push(("results.json".to_owned(), json));
        self.page().render_with(dir, files)
    }

    /// Reads the `results.json` of an earlier [`Self::render`], so that it can be rendered again.
    ///
    /// # Errors
    /// If the file is missing, or another program wrote it.
    pub fn read(dir: &Path) -> Result<Self> {
        let path = dir.join("results.json");
        let bytes = std::fs::read(&path).at(&path)?;
        serde_json::from_slice(&bytes).at(&path)
    }
}
