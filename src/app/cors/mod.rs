//! Answers about CORS configurations that callers hand in, for which no bucket is asked, and about the one that a
//! resource's bucket has.

mod causes;
mod live;

use std::sync::Arc;

use crate::app::objects::{Outcome, Target};
use crate::app::propose::Written;
use crate::app::{App, Error, audit};
use crate::cors::Evaluation;
use crate::finding::Finding;
use crate::model::cors_check::{CorsCheck, CorsCheckWanted};
use crate::model::cors_question::{
    CorsAdvice, CorsQuestion, CorsReport, CorsValidation, CorsWanted, of_request,
};
use crate::model::principal::Caller;

impl App {
    /// Says what is wrong with a configuration.
    pub async fn validate_cors(&self, caller: &Caller, wanted: CorsValidation) -> Result<CorsReport, Error> {
        self.beside(caller, move || wanted.report()).await
    }

    /// Says what a page gets of its request.
    pub async fn evaluate_cors(&self, caller: &Caller, question: CorsQuestion) -> Result<Evaluation, Error> {
        let answer = self.beside(caller, move || question.evaluate()).await?;
        answer.map_err(|findings| Error::invalid(of_request(findings)))
    }

    /// Recommends the smallest configuration for what pages will do.
    pub async fn recommend_cors(&self, caller: &Caller, wanted: CorsWanted) -> Result<CorsAdvice, Error> {
        let advice = self.beside(caller, move || wanted.recommend()).await?;
        advice.map_err(|error| {
            Error::invalid(vec![Finding::error("CORS_NO_RECOMMENDATION", "uses", error.to_string())])
        })
    }

    /// Compares what the configuration of a resource's bucket says about pages with what the store does.
    pub async fn check_cors(
        self: &Arc<Self>,
        target: Target<'_>,
        mut wanted: CorsCheckWanted,
    ) -> Result<Outcome<CorsCheck>, Error> {
        let resource = self.known_resource(target.caller, target.resource)?;
        let definition = &resource.record.definition;
        self.check_environment(&target.caller.project.id, definition, target.environment)?;
        if wanted.origins.is_empty() {
            wanted.origins.clone_from(&definition.browser_origins);
        }
        let findings = wanted.validate();
        if !findings.is_empty() {
            return Err(Error::invalid(findings));
        }
        let written = Written { definition, environment: target.environment };
        let wanted = &wanted;
        let check = |connection: Arc<_>| async move { self.live_cors(&connection, written, wanted).await };
        let checked = self.with_connection(&resource, target.environment, check).await;
        let mut event =
            audit::event(target.caller, "cors.check", resource.name().as_str(), self.clock.now_ms());
        if let Err(error) = &checked {
            error.code().clone_into(&mut event.outcome);
        }
        self.audit.note(event).await;
        let (value, connection) = checked?;
        Ok(Outcome { value, freshness: connection.freshness() })
    }
}
