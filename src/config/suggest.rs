//! The nearest valid word to a misspelt one.

/// The candidate that `word` was most likely meant to be, if any is near enough.
///
/// Near is an edit distance of at most a third of the longer word. Case, `_` and `-` do not count, so
/// `promQL` and `prom_ql` both find `promql`.
pub fn did_you_mean<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = fold(word);
    candidates
        .into_iter()
        .filter_map(|candidate| {
            let other = fold(candidate);
            let limit = word.len().max(other.len()) / 3;
            // A difference in length alone is a lower bound, which keeps a huge word cheap.
            let near = word.len().abs_diff(other.len()) <= limit;
            let distance = near.then(|| edit_distance(&word, &other))?;
            (distance <= limit).then_some((distance, candidate))
        })
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, candidate)| candidate)
}

fn fold(word: &str) -> Vec<char> {
    word.chars().filter(|c| !matches!(c, '_' | '-')).flat_map(char::to_lowercase).collect()
}

/// Damerau-Levenshtein distance in its optimal string alignment form: a swap of neighbours costs one.
fn edit_distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut previous: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let substitute = previous[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = substitute.min(previous[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(before[j - 2] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut previous, row);
    }
    previous[b.len()]
}

/// Whether two words differ by a slip or two: for lists so long that [`did_you_mean`] would always
/// find something.
pub(super) fn is_near(word: &str, other: &str) -> bool {
    edit_distance(&fold(word), &fold(other)) <= 2
}
