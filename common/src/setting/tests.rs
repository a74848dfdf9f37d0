//! Names and values of settings as people write them.

use super::*;

fn parsed(name: &str, value: &str) -> Result<Setting, String> {
    match SettingChange::parse(name, Some(value)) {
        Ok(SettingChange::Set(setting)) => Ok(setting),
        Ok(other) => panic!("{other:?}"),
        Err(error) => Err(error.to_string()),
    }
}

#[test]
fn values_have_types_and_bounds() {
    assert_eq!(parsed("data_bytes_max", "0"), Ok(Setting::DataBytesMax(0)));
    assert_eq!(parsed("data_bytes_max", "64MiB"), Ok(Setting::DataBytesMax(64 << 20)));
    assert_eq!(parsed("data_bytes_max", "1024TiB"), Ok(Setting::DataBytesMax(1 << 50)));
    assert_eq!(parsed("disk_free_bytes_min", "8388608"), Ok(Setting::DiskFreeBytesMin(8 << 20)));
    assert_eq!(parsed("upgrade_finish", "automatic"), Ok(Setting::UpgradeFinish(UpgradeFinish::Automatic)));
    for value in
        ["", "-1", "1.5GiB", "64 MiB", "64mib", "1025TiB", "99999999999999999999", "18446744073709551615TiB"]
    {
        let said = parsed("data_bytes_max", value).expect_err("is refused");
        assert!(said.starts_with(&format!("data_bytes_max cannot be '{value}': set it to 0 to ")), "{said}");
    }
    assert!(parsed("disk_free_bytes_min", "8388607").is_err());
    assert_eq!(parsed("history_changes_max", "500"), Ok(Setting::HistoryChangesMax(500)));
    assert_eq!(
        parsed("history_changes_max", "5KiB").expect_err("is refused"),
        "history_changes_max cannot be '5KiB': set it to a number from 0 to 1099511627776"
    );
    assert_eq!(
        parsed("upgrade_finish", "Automatic").expect_err("is refused"),
        "upgrade_finish cannot be 'Automatic': set it to by-hand or automatic"
    );
}

#[test]
fn an_unknown_name_is_answered_with_the_known_ones() {
    let said = parsed("quota", "1").expect_err("is refused");
    assert!(
        said.starts_with("there is no setting 'quota'; the settings are: data_bytes_max, disk_"),
        "{said}"
    );
    assert!(SettingChange::parse("quota", None).is_err());
}

#[test]
fn every_setting_has_a_default_and_reads_its_own_text() {
    let mut settings = ClusterSettings::default();
    for name in SettingName::ALL.iter().copied() {
        let setting = settings.get(name);
        assert_eq!(setting.name(), name);
        assert_eq!(name.as_str().parse(), Ok(name));
        assert_eq!(name.parse(&setting.value()), Ok(setting));
        assert_eq!(SettingChange::parse(name.as_str(), None), Ok(SettingChange::Unset(name)));
    }
    settings =
        ClusterSettings::of([Setting::DataBytesMax(7), Setting::UpgradeFinish(UpgradeFinish::Automatic)]);
    assert_eq!(settings.get(SettingName::DataBytesMax), Setting::DataBytesMax(7));
    assert_eq!(settings.upgrade_finish, UpgradeFinish::Automatic);
    assert_eq!(settings.disk_free_bytes_min, DISK_FREE_BYTES_MIN);
}
