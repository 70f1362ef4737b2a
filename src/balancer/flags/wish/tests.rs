use super::*;

#[test]
fn a_share_is_a_few_beginnings_of_four_digits() {
    assert_eq!(below(2_000, 10), ["0", "1"]);
    assert_eq!(below(100, 10), ["00"]);
    assert_eq!(below(1, 10), ["0000"]);
    assert_eq!(below(102, 10), ["00", "0100", "0101"]);
    for share in [1, 7, 99, 500, 2_350, 9_999] {
        let fits = (0..10_000)
            .filter(|n| {
                let thrown = format!("{n:04}");
                below(share, 10)
                    .iter()
                    .any(|p| thrown.starts_with(p.as_str()))
            })
            .count();
        assert_eq!(fits, usize::try_from(share).unwrap());
    }
}
