//! `settings`: shows and changes the settings of the cluster.
//!
//! Knows none of them: the leader does, so an old command shows and changes those of newer nodes.

use clap::{Args, Subcommand};
use coffee_client::Error;
use coffee_common::protocol::{ChangedSetting, SettingView};
use serde::Serialize;

use crate::{
    exit::ExitCode,
    failure::Failure,
    invocation::Invocation,
    printer::{Printable, escape, json::NoFields, table::TextTable},
};

/// `settings ..`.
#[derive(Debug, Args)]
pub(crate) struct SettingsArguments {
    #[command(subcommand)]
    verb: Option<SettingsVerb>,
}

#[derive(Debug, Subcommand)]
enum SettingsVerb {
    /// Show all settings, or one
    Show {
        /// The setting
        #[arg(value_name = "SETTING")]
        name: Option<String>,
    },
    /// Change a setting, at all nodes at once
    Set {
        /// The setting
        #[arg(value_name = "SETTING")]
        name: String,
        /// Its new value; bytes may have a unit, such as 64MiB
        #[arg(value_name = "VALUE")]
        value: String,
    },
    /// Give a setting its default again
    Unset {
        /// The setting
        #[arg(value_name = "SETTING")]
        name: String,
    },
}

pub(crate) async fn run(
    arguments: &SettingsArguments,
    invocation: &mut Invocation<'_>,
) -> Result<ExitCode, Failure> {
    let client = invocation.client(invocation.usual_timeout())?;
    match &arguments.verb {
        None | Some(SettingsVerb::Show { name: None }) => show(&client.settings().await?, invocation),
        Some(SettingsVerb::Show { name: Some(name) }) => {
            let settings = client.settings().await?;
            let Some(setting) = settings.iter().find(|setting| setting.name == *name) else {
                let known: Vec<String> =
                    settings.iter().map(|setting| escape::shown(&setting.name)).collect();
                return Err(Failure::usage(format!("there is no setting {name:?}"))
                    .hint(format!("the settings are: {}", known.join(", "))));
            };
            show(std::slice::from_ref(setting), invocation);
        }
        Some(SettingsVerb::Set { name, value }) => {
            let changed = client.change_setting(name, Some(value)).await.map_err(hinted)?;
            invocation.printer.report(&ChangeReport::from(&changed));
        }
        Some(SettingsVerb::Unset { name }) => {
            let changed = client.change_setting(name, None).await.map_err(hinted)?;
            invocation.printer.report(&ChangeReport::from(&changed));
        }
    }
    Ok(ExitCode::Done)
}

/// Says where the settings and their values are found, if a change names none of them.
fn hinted(error: Error) -> Failure {
    let is_mistaken = matches!(error, Error::Invalid(_));
    let failure = Failure::from(error);
    match is_mistaken {
        true => failure.hint("'coffeectl settings' shows every setting with its value and its default"),
        false => failure,
    }
}

fn show(settings: &[SettingView], invocation: &mut Invocation<'_>) {
    let rows: Vec<SettingRow<'_>> = settings.iter().map(SettingRow::from).collect();
    invocation.printer.list_start("settings");
    invocation.printer.list_page(&rows, table);
    invocation.printer.list_end(&NoFields {});
}

fn table(rows: &[SettingRow<'_>]) -> String {
    let mut table = TextTable::new(["SETTING", "VALUE", "DEFAULT", "MEANING"]);
    for SettingRow { name, value, default, description } in rows {
        table.row([name, value, default, description].map(|text| escape::shown(text)));
    }
    table.render()
}

#[derive(Serialize)]
struct SettingRow<'a> {
    name: &'a str,
    value: &'a str,
    default: &'a str,
    description: &'a str,
}

impl<'a> From<&'a SettingView> for SettingRow<'a> {
    fn from(setting: &'a SettingView) -> Self {
        let SettingView { name, value, default, description } = setting;
        Self { name, value, default, description }
    }
}

impl Printable for SettingRow<'_> {
    fn table(&self) -> String {
        format!("{} = {}\n", escape::shown(self.name), escape::shown(self.value))
    }

    fn plain(&self) -> Vec<Vec<String>> {
        vec![[self.name, self.value, self.default].map(escape::field).to_vec()]
    }
}

#[derive(Serialize)]
struct ChangeReport<'a> {
    name: &'a str,
    value: &'a str,
    before: &'a str,
    changed: bool,
}

impl<'a> From<&'a ChangedSetting> for ChangeReport<'a> {
    fn from(ChangedSetting { now, before, changed }: &'a ChangedSetting) -> Self {
        Self { name: &now.name, value: &now.value, before, changed: *changed }
    }
}

impl Printable for ChangeReport<'_> {
    fn table(&self) -> String {
        let [name, value, before] = [self.name, self.value, self.before].map(escape::shown);
        match self.changed {
            true => format!("{name} is {value} now: it was {before}\n"),
            false => format!("{name} is {value} already\n"),
        }
    }

    fn plain(&self) -> Vec<Vec<String>> {
        vec![vec![
            escape::field(self.name),
            escape::field(self.value),
            escape::field(self.before),
            self.changed.to_string(),
        ]]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::printer::{Format, tests::printed};

    fn setting(value: &str) -> SettingView {
        SettingView {
            name: "data_bytes_max".to_owned(),
            value: value.to_owned(),
            default: "0".to_owned(),
            description: "bytes\u{1b}[2J".to_owned(),
        }
    }

    #[test]
    fn settings_are_shown_as_a_table_and_escaped() {
        let setting = setting("64");
        assert_eq!(
            table(&[SettingRow::from(&setting)]),
            "SETTING         VALUE  DEFAULT  MEANING\ndata_bytes_max  64     0        bytes\\x1b[2J\n"
        );
        assert_eq!(printed(Format::Plain, &SettingRow::from(&setting)), "data_bytes_max\t64\t0\n");
    }

    #[test]
    fn a_change_is_told_with_the_value_before() {
        let change = ChangedSetting { now: setting("64"), before: "0".to_owned(), changed: true };
        assert_eq!(
            printed(Format::Table, &ChangeReport::from(&change)),
            "data_bytes_max is 64 now: it was 0\n"
        );
        assert_eq!(printed(Format::Plain, &ChangeReport::from(&change)), "data_bytes_max\t64\t0\ttrue\n");
        let json = "{\"apiVersion\":\"coffee/v1\",\"name\":\"data_bytes_max\",\"value\":\"64\",\"before\":\"0\",\"changed\":true}\n";
        assert_eq!(printed(Format::Json, &ChangeReport::from(&change)), json);
        let same = ChangedSetting { changed: false, ..change };
        assert_eq!(printed(Format::Table, &ChangeReport::from(&same)), "data_bytes_max is 64 already\n");
    }
}
