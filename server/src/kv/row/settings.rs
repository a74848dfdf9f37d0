//! The row of a setting. An on-disk format, held by golden bytes.

use coffee_common::{
    envelope::{self, DecodeError},
    setting::{Setting, SettingName},
};

use super::format::{open, seal};
use crate::kv::{error::KvError, table::Table};

/// Encodes the row of a setting.
pub(in crate::kv) fn encode(setting: &Setting) -> Result<Vec<u8>, KvError> {
    let payload = postcard::to_stdvec(setting).map_err(KvError::Encode)?;
    Ok(seal(Table::Settings, key(setting.name()), &payload))
}

/// Verifies and decodes a row.
pub(in crate::kv) fn decode(key: &[u8], row: &[u8]) -> Result<Setting, KvError> {
    match envelope::decode_first::<Setting>(open(Table::Settings, key, row)?) {
        Ok((setting, [])) if setting.name().as_str().as_bytes() == key => Ok(setting),
        Err(DecodeError::Unknown(part)) => Err(KvError::Newer { table: Table::Settings, part }),
        _ => Err(KvError::damaged(Table::Settings, "the setting is malformed")),
    }
}

/// Returns the key of a setting's row.
pub(in crate::kv) fn key(name: SettingName) -> &'static [u8] {
    name.as_str().as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_row_of_a_setting() {
        let setting = Setting::DataBytesMax(64 << 30);
        let row = encode(&setting).expect("encodes");
        crate::golden_test::check("state_settings", &row);
        assert_eq!(decode(b"data_bytes_max", &row).expect("its own bytes"), setting);
        assert!(decode(b"disk_free_bytes_min", &row).is_err());
    }
}
